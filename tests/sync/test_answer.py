import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sync.answer import LONGEST_PAUSE_S, judge

NOW_NS = 1_768_919_400 * 10**9  # Tue, 20 Jan 2026 14:30:00 GMT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("Tue, 20 Jan 2026 14:31:00 GMT", 60), ("Tue, 20 Jan 2026 13:00:00 GMT", 0),
     ("Wed, 21 Jan 2026 14:30:00 GMT", LONGEST_PAUSE_S), ("soon", 0), ("", 0), ("9" * 400, LONGEST_PAUSE_S),
     ("²", 0)],
)  # fmt: skip
def test_retry_after_in_seconds_or_as_a_date(text, seconds):
    assert judge(503, {"Retry-After": text}, b"", ["a"], NOW_NS).after_s == seconds


@given(st.integers(100, 999), st.binary(max_size=50), st.text(max_size=30))
def test_whatever_a_target_says_is_one_of_four_and_acknowledges_only_what_was_sent(status, body, after):
    verdict = judge(status, {"Retry-After": after}, body, ["a", "b"], NOW_NS)
    assert verdict.kind in ("delivered", "refused", "poisoned", "later")
    assert set(verdict.acknowledged) <= {"a", "b"}
    assert (verdict.kind == "delivered") <= (200 <= status < 300)
    assert 0 <= verdict.after_s <= LONGEST_PAUSE_S


def test_acknowledged_is_what_was_named_of_what_was_sent():
    body = b'{"acknowledged": ["b", "b", "zzz"], "more": 1}'
    assert judge(200, {}, body, ["a", "b"], NOW_NS).acknowledged == ("b",)


def test_the_reason_is_one_sentence_with_the_next_step_and_the_status():
    said = judge(413, {}, b"", ["a"], NOW_NS)
    assert said.error.startswith("what was sent is too large for the target, HTTP 413 (") and said.answered
    assert judge(200, {}, b"<html>", ["a"], NOW_NS).error.startswith("what answers at this address takes no")
    assert 'answer {"acknowledged": [ids]}' in judge(200, {}, b'{"ok": true}', ["a"], NOW_NS).error
