"""What may be installed: laws over versions and facts."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.system.update.judging import Facts, Manifest, key, refusal

versions = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
facts = st.builds(
    Facts, st.none() | st.builds(Manifest, st.sampled_from(["here", "there"]), versions | st.just("x"),
                                 st.integers(0, 100)),
    versions, st.just("here"), st.integers(0, 100), st.integers(0, 100), st.integers(0, 60), st.booleans(),
)  # fmt: skip


@given(facts)
def test_what_is_let_through_is_signed_for_this_hardware_newer_and_has_room(each):
    if refusal(each) is None:
        assert each.manifest is not None and not each.on_trial
        assert each.manifest.compatible == each.compatible
        assert key(each.manifest.version) > key(each.running_version)
        assert not each.slot_bytes or each.manifest.image_bytes <= each.slot_bytes
        assert each.free_bytes >= 2 * each.database_bytes


@given(facts)
def test_a_person_overrules_the_version_and_nothing_else(each):
    allowed = refusal(each, allow_older=True)
    if allowed is not None:
        refused = refusal(each)
        assert refused is not None
    elif (refused := refusal(each)) is not None:
        assert "version" in refused.message


@given(facts)
def test_every_refusal_says_what_and_what_next(each):
    refused = refusal(each)
    assert refused is None or (refused.message and refused.hint)


def test_versions_are_numbers():
    assert key("1.10") > key("1.9") and key("1.9") == key("1.9.0") and key("1.9rc1") is None
