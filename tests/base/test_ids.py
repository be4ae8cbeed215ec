import uuid

from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import MS_NS
from appliance.base.ids import SLUG, free_slug, slug, uuid7


@given(st.integers(0, (1 << 48) - 1))
def test_a_uuid7_says_its_millisecond_and_version(ms):
    found = uuid.UUID(uuid7(ms * MS_NS))
    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert found.int >> 80 == ms


@given(st.lists(st.integers(0, 1 << 40), min_size=2, unique=True))
def test_uuid7s_sort_by_time(times_ms):
    made = {ms: uuid7(ms * MS_NS) for ms in times_ms}
    assert sorted(made.values()) == [made[ms] for ms in sorted(times_ms)]


def test_uuid7s_of_one_moment_differ():
    assert len({uuid7(0) for _ in range(10_000)}) == 10_000


@given(st.text(max_size=200))
def test_any_name_gives_a_slug(name):
    assert SLUG.fullmatch(slug(name))


@given(st.text(max_size=80), st.integers(0, 5))
def test_a_free_slug_is_free_and_still_a_slug(name, times):
    taken: set[str] = set()
    for _ in range(times + 1):
        found = free_slug(name, taken)
        assert found not in taken
        assert SLUG.fullmatch(found)
        taken.add(found)


def test_the_second_of_a_name_is_numbered_two():
    assert slug("Löding Bäy 2!") == "loding-bay-2"
    assert free_slug("Gate", {"gate"}) == "gate-2"
    assert free_slug("Gate", {"gate", "gate-2"}) == "gate-3"
    assert slug("摄像头") == "camera"
