"""What strangers wrote, and figures, as people are shown them."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.pages import words


@given(st.text(max_size=500), st.integers(2, 200))
def test_what_is_shown_can_be_seen_and_is_short(text, longest):
    shown = words.shown(text, longest)
    assert len(shown) <= longest and shown.isprintable()


def test_letters_that_turn_the_writing_are_left_out():
    assert words.shown("abc\u202egpj.exe\u0000\n") == "abcgpj.exe"
    assert words.shown(None) == words.shown(7) == words.shown(["a"]) == ""


@given(st.one_of(st.text(), st.sampled_from(["[]", "7", "{", '{"a": 1}', "[" * 5000])))
def test_any_text_is_an_object_or_none(text):
    assert isinstance(words.object_of(text), dict)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()))
def test_any_value_is_a_figure(value):
    assert isinstance(words.number_of(value), int)


def test_figures_for_people():
    assert words.amount(1234567) == "1\u202f234\u202f567"
    assert words.offset(0) == words.offset(-3) == "0.0 s"
    assert words.offset(-2_500_000_000) == "−2.5 s"
    assert words.offset(7_200_000_000_000) == "+2 h"
    assert words.ago(None, 5) == "–"
    assert words.zone_of("Europe/Berlin").key == "Europe/Berlin"
    for name in ("", "no/such", "../etc/passwd", "/etc/passwd", "a" * 5000, "\x00"):
        assert words.zone_of(name).key == "Etc/UTC", name


@given(
    st.dictionaries(
        st.sampled_from(["type", "class_name", "zone_id"]), st.one_of(st.none(), st.integers(), st.text())
    )
)
def test_every_event_has_a_title(body):
    assert words.event_title(body)


def test_times_in_a_sentence_are_read_in_the_reader_s_zone():
    berlin, now_ns = words.zone_of("Europe/Berlin"), 1_768_915_800_000_000_000  # 2026-01-20 13:30 UTC
    told = words.with_times("last heard at 2026-01-20T13:00:05.000Z, or so", berlin, now_ns)
    assert told == "last heard at 14:00:05, or so"
    assert words.with_times("9999-99-99T99:99:99Z", berlin, now_ns) == "9999-99-99T99:99:99Z"
    assert words.with_times("0001-01-01T00:00:00Z 9999-12-31T23:59:59Z", berlin, now_ns)
