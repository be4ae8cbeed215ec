"""Keys: made here, sealed, shown to nobody; and one follows another without a way to lose both."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.system.tunnel import kept, keys
from appliance.system.tunnel.config import TunnelConfig


@pytest.fixture
def db(tmp_path):
    found = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield found
    found.close()


@pytest.fixture
def sealer(tmp_path):
    return Sealer.from_dir(tmp_path / "secrets")


def config() -> TunnelConfig:
    return TunnelConfig("10.90.0.7/32", keys.make().public, "hub.example.org:51820", ("10.90.0.1/32",))


def test_wg_agrees_about_the_public_key(can_tunnel):
    found = keys.make()
    done = subprocess.run(["wg", "pubkey"], input=found.current, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found.public


def test_no_two_are_the_same_and_none_is_shown():
    made = [keys.make() for _ in range(20)]
    assert len({found.current for found in made}) == 20
    for found in made:
        assert found.current not in repr(found) + str(found) + redact(f"the key is {found.current}!")
        assert found.current not in redact(f"error near {found.current}")
        assert keys.WireguardKey(found.current).hex not in redact(keys.WireguardKey(found.current).hex)


def test_a_rotation_step_by_step():
    old = keys.make()
    announced = keys.announce(old)
    assert (announced.public, announced.phase) == (old.public, "announced")
    assert keys.announce(announced) == announced  # said twice, it is the same key
    trying = keys.acknowledged(announced, announced.next_public)
    assert (trying.public, trying.previous, trying.phase) == (announced.next_public, old.current, "trying")
    assert keys.acknowledged(trying, trying.public) == trying
    assert keys.settle(trying).phase == "steady"
    back = keys.fall_back(trying)
    assert (back.public, back.next_public, back.phase) == (old.public, trying.public, "announced")
    with pytest.raises(ApplianceError, match="being tried"):
        keys.announce(trying)


@pytest.mark.parametrize("public", ["", "nonsense", keys.make().public], ids=["none", "nonsense", "another"])
def test_a_key_that_was_not_announced_is_not_changed_over_to(public):
    for found in (keys.make(), keys.announce(keys.make())):
        with pytest.raises(ApplianceError) as caught:
            keys.acknowledged(found, public)
        assert caught.value.kind == "conflict"


STEPS = st.lists(st.sampled_from(["announce", "acknowledged", "settle", "fall_back"]), max_size=12)


@settings(max_examples=25)  # keys in plain Python are slow
@given(STEPS)
def test_whatever_happens_the_key_that_the_hub_took_last_is_still_there(steps):
    """The hub takes the old key until it has seen the new one in use."""
    found = keys.with_preshared(keys.make(), keys.make().current)
    preshared, proven = found.preshared, found.current
    for step in steps:
        try:
            if step == "acknowledged":
                found = keys.acknowledged(found, found.next_public or "none")
            else:
                found = getattr(keys, step)(found)
        except ApplianceError:
            continue
        if step == "settle":
            proven = found.current
        assert proven in (found.current, found.previous)
        assert found.preshared == preshared


def test_they_are_kept_sealed_and_only_this_box_opens_them(db, sealer, tmp_path):
    made = db.write_now(lambda conn: kept.ensure_keys(conn, sealer))
    assert db.write_now(lambda conn: kept.ensure_keys(conn, sealer)) == made
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("appliance.db*"))
    assert made.current.encode() not in raw
    with pytest.raises(ApplianceError) as caught:
        db.read_now(lambda conn: kept.keys(conn, Sealer.from_dir(tmp_path / "another")))
    assert caught.value.kind == "data_loss"


def test_an_offer_is_stored_whole_or_not_at_all(db, sealer):
    wrong = "not a key"
    with pytest.raises(ApplianceError) as caught:
        db.write_now(lambda conn: kept.configure(conn, sealer, config(), wrong))
    assert caught.value.field == "preshared_key"
    assert wrong not in str(caught.value)
    assert db.read_now(kept.wanted) == kept.Wanted()
    assert db.read_now(lambda conn: kept.keys(conn, sealer)) is None


def test_off_until_it_was_configured_and_gone_after_forgetting(db, sealer):
    assert not db.read_now(kept.wanted).on
    with pytest.raises(ApplianceError, match="no tunnel to put up"):
        db.write_now(lambda conn: kept.switch(conn, True))
    found = config()
    db.write_now(lambda conn: kept.configure(conn, sealer, found, keys.make().current))
    assert db.read_now(kept.wanted) == kept.Wanted(True, found)
    db.write_now(lambda conn: kept.switch(conn, False))
    assert db.read_now(kept.wanted) == kept.Wanted(False, found)
    db.write_now(kept.forget)
    assert db.read_now(lambda conn: kept.keys(conn, sealer)) is None


def test_a_verdict_about_other_keys_changes_nothing(db, sealer):
    db.write_now(lambda conn: kept.ensure_keys(conn, sealer))
    new = db.write_now(lambda conn: kept.announce(conn, sealer))
    db.write_now(lambda conn: kept.acknowledged(conn, sealer, new))
    before = db.read_now(lambda conn: kept.keys(conn, sealer))
    db.write_now(lambda conn: kept.settle(conn, sealer, keys.make().public, True))
    assert db.read_now(lambda conn: kept.keys(conn, sealer)) == before
    db.write_now(lambda conn: kept.settle(conn, sealer, new, False))
    assert db.read_now(lambda conn: kept.keys(conn, sealer)) == keys.fall_back(before)
