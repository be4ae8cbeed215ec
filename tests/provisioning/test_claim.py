"""The claim code: the only way in, slow for those who guess."""

import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS, ManualClock, rfc3339
from appliance.base.errors import ApplianceError
from provisioning.claim import CROWD, FREE_TRIES, Claim, TooEarly, csrf_of

WRONG = "2222-2222"


@pytest.fixture
def claim(tmp_path, clock):
    return Claim(tmp_path, clock)


def wrong(claim: Claim, address: str = "10.0.0.9") -> None:
    with pytest.raises(ApplianceError) as caught:
        claim.enter(WRONG, address)
    assert caught.value.kind == "denied" and caught.value.field == "code"


def test_the_code_is_exchanged_for_a_session(claim):
    session = claim.enter(claim.code, "10.0.0.9")
    assert claim.holds(session.token) and not claim.holds(session.token + "x")
    assert session.csrf == csrf_of(session.token) != session.token


def test_there_is_no_session_before(claim):
    assert not claim.holds("") and not claim.holds("None")


@given(st.lists(st.sampled_from([" ", "-", "\t", ""]), min_size=9, max_size=9), st.booleans())
@settings(max_examples=20)  # each of them is synced to disk
def test_how_it_is_typed_does_not_matter(between, upper):
    with tempfile.TemporaryDirectory() as folder:
        claim = Claim(Path(folder), ManualClock())
        signs = claim.code.replace("-", "")
        typed = "".join(f"{gap}{sign}" for gap, sign in zip(between, f"{signs} ", strict=True))
        assert claim.holds(claim.enter(typed.upper() if upper else typed, "10.0.0.9").token)


def test_an_address_that_guesses_waits_longer_and_longer(claim, clock):
    for _ in range(FREE_TRIES):
        wrong(claim)
    waits = []
    for _ in range(7):
        with pytest.raises(TooEarly) as caught:
            claim.enter(WRONG, "10.0.0.9")
        waits.append(caught.value.wait_s)
        clock.tick(waits[-1] - 1)
        with pytest.raises(TooEarly):
            claim.enter(claim.code, "10.0.0.9")  # the right one as well
        clock.tick(1)
        wrong(claim)
    assert waits == [30, 60, 120, 240, 480, 900, 900]


def test_another_address_is_let_in_meanwhile(claim):
    for _ in range(FREE_TRIES):
        wrong(claim)
    assert claim.holds(claim.enter(claim.code, "10.0.0.10").token)


def test_addresses_of_one_telephone_count_together(claim):
    for n in range(FREE_TRIES):
        wrong(claim, f"fe80::{n}%eth0")
    with pytest.raises(TooEarly):
        claim.enter(claim.code, "fe80::77%eth0")


def test_many_addresses_together_are_slowed_to_one_try_in_two_seconds(claim, clock):
    for n in range(CROWD):
        wrong(claim, f"10.0.1.{n}")
    with pytest.raises(TooEarly) as caught:
        claim.enter(WRONG, "10.0.2.1")
    assert caught.value.wait_s == 2
    clock.tick(2)
    wrong(claim, "10.0.2.2")
    with pytest.raises(TooEarly):
        claim.enter(claim.code, "10.0.2.3")
    clock.tick(2)
    assert claim.holds(claim.enter(claim.code, "10.0.2.3").token)


def test_an_hour_of_peace_is_forgiven(claim, clock):
    for _ in range(FREE_TRIES):
        wrong(claim)
    clock.tick(3601)
    for _ in range(FREE_TRIES - 1):
        wrong(claim)
    assert claim.enter(claim.code, "10.0.0.9")


def test_wrong_codes_are_logged_and_no_code_is(claim, caplog):
    caplog.set_level(logging.INFO)
    wrong(claim)
    claim.enter(claim.code, "10.0.0.9")
    assert "a wrong claim code from 10.0.0.9" in caplog.text and "claimed from 10.0.0.9" in caplog.text
    assert claim.code not in caplog.text and WRONG not in caplog.text


def test_no_code_and_no_token_is_on_disk(claim, tmp_path):
    session = claim.enter(claim.code, "10.0.0.9")
    found = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (claim.code, claim.code.replace("-", ""), session.token, session.csrf):
        assert secret.encode() not in found


def test_a_telephone_goes_on_after_a_restart_and_the_code_is_new(claim, tmp_path, clock):
    session = claim.enter(claim.code, "10.0.0.9")
    again = Claim(tmp_path, clock)
    assert again.holds(session.token) and again.code != claim.code
    with pytest.raises(ApplianceError):
        again.enter(claim.code, "10.0.0.9")


def test_the_next_claim_takes_over(claim):
    first, second = (claim.enter(claim.code, address) for address in ("10.0.0.9", "10.0.0.10"))
    assert claim.holds(second.token) and not claim.holds(first.token)
    assert (first.took_over, second.took_over) == (False, True)


def test_who_lost_it_is_told_when_and_nobody_else(claim, tmp_path, clock):
    first = claim.enter(claim.code, "10.0.0.9")
    clock.tick(60)
    second = claim.enter(claim.code, "10.0.0.10")
    clock.tick(60)
    for known in (claim, Claim(tmp_path, clock)):  # also after a restart
        assert known.lost_at(first.token) == rfc3339(clock.now_ns() - 60 * SECOND_NS)
        assert known.lost_at(second.token) is known.lost_at("") is known.lost_at("x") is None
    claim.enter(claim.code, "10.0.0.9")
    assert claim.lost_at(second.token) and claim.lost_at(first.token) is None
    claim.end()
    assert claim.lost_at(second.token) is None


def test_after_the_end_nobody_is_let_in(claim, tmp_path, clock):
    session = claim.enter(claim.code, "10.0.0.9")
    claim.end()
    assert not claim.holds(session.token) and not Claim(tmp_path, clock).holds(session.token)
