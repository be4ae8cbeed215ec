"""A wish to install, with a real RAUC over file-backed slots: good, and everything that is refused."""

import errno
import hashlib
import shutil
import sqlite3

import pytest

from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.store import carrying_back
from appliance.system.update import record as records
from appliance.system.update.boot import BootState
from appliance.system.update.installing import Installer, read_wish
from appliance.system.update.record import Record, Wish
from appliance.system.update.release import Release


def wish_for(bench, bundle, **how):
    bench.offer(bundle)
    return Wish(hashlib.sha256(bundle.read_bytes()).hexdigest(), "admin", **how)


def installer(bench, running="1.0", reboots=None):
    told = [] if reboots is None else reboots
    clock = ManualClock()
    return Installer(bench.places, bench.rauc, Release(running, ""), clock, lambda: told.append(1))


@pytest.fixture
def with_database(box):
    with sqlite3.connect(box.places.box / "appliance.db") as conn:
        conn.execute("CREATE TABLE events (id TEXT)")
        conn.execute("INSERT INTO events VALUES ('before')")
    return box


def test_a_newer_bundle_is_written_to_the_other_slot_which_boots_next(with_database):
    box, reboots = with_database, []
    before = box.slot("A")
    made = installer(box, reboots=reboots).obey(wish_for(box, box.bundle("1.1")))
    assert (made.phase, made.from_slot, made.from_version, made.to_version) == ("trial", "A", "1.0", "1.1")
    assert box.slot("B").startswith(b"1.1") and box.slot("A") == before
    assert box.sector.read().next_slot() == "B" and reboots == [1]
    assert records.read(box.places) == made
    with sqlite3.connect(box.places.copies / "appliance.db") as conn:
        assert conn.execute("SELECT id FROM events").fetchall() == [("before",)]


def test_cut_off_at_any_point_there_is_a_bundle_to_begin_anew_or_a_record_that_it_was_begun(box, monkeypatch):
    left = []

    def look(name):
        asked = getattr(type(box.rauc), name)

        def answer(*words):
            left.append((box.places.bundle.exists(), records.read(box.places).phase))
            return asked(box.rauc, *words)

        monkeypatch.setattr(box.rauc, name, answer)

    for name in ("manifest", "slots", "install", "boot_next"):
        look(name)
    assert installer(box).obey(wish_for(box, box.bundle("1.15"))).phase == "trial"
    assert left == [(True, "none"), (True, "none"), (False, "writing"), (False, "switching")]
    assert not box.places.bundle.exists() and not box.places.taken.exists()


def test_a_disk_that_fills_up_meanwhile_is_said_and_the_next_may_begin(with_database, monkeypatch):
    box = with_database

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(carrying_back, "copy_file", full)
        made = installer(box).obey(wish_for(box, box.bundle("1.16")))
    assert made.phase == "failed" and "No space left" in made.reason and made.hint
    assert box.sector.read().next_slot() == "A"
    assert installer(box).obey(wish_for(box, box.bundle("1.17"))).phase == "trial"


def test_cameras_that_record_are_remembered(box):
    hour = box.places.box / "recordings/yard/main/2026-01-20/14"
    hour.mkdir(parents=True)
    (hour / "20260120T143000.000Z.mp4").write_bytes(b"x")
    (box.places.box / "recordings/old/main/2026-01-20/14").mkdir(parents=True)
    made = installer(box).obey(wish_for(box, box.bundle("1.2")))
    assert made.cameras == ("yard",)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"version": "2.0", "key": "stranger"}, "a key that this box does not know"),
        ({"version": "0.9"}, "older than 1.0"),
        ({"version": "1.0"}, "is the one that runs"),
        ({"version": "2.1", "compatible": "aries-edge-other"}, "this bundle is for 'aries-edge-other'"),
        ({"version": "2.2", "size": 3 << 20}, "a boot slot has 2 MiB"),
        ({"version": "latest"}, "cannot be compared"),
    ],
)
def test_what_must_not_be_installed_is_refused_in_words_and_changes_nothing(box, what, words):
    slots, sector = (box.slot("A"), box.slot("B")), box.sector.read()
    made = installer(box).obey(wish_for(box, box.bundle(**what)))
    assert made.phase == "refused" and words in made.reason and made.hint
    assert (box.slot("A"), box.slot("B"), box.sector.read()) == (*slots, sector)
    assert not list(box.places.own.glob("*.raucb"))


def test_a_person_may_allow_an_older_one_and_nothing_else(box):
    older = box.bundle("0.8")
    assert installer(box).obey(wish_for(box, older, allow_older=True)).phase == "trial"
    box.sector.write(BootState())
    records.write(box.places, Record())
    other = box.bundle("0.7", compatible="aries-edge-other")
    assert installer(box).obey(wish_for(box, other, allow_older=True)).phase == "refused"


@pytest.mark.parametrize("where", ["content", "signature", "cut"])
def test_a_bundle_that_was_changed_never_boots(box, where):
    good = box.bundle(f"3.{len(where)}")
    bad = box.folder / f"bad-{where}.raucb"
    text = bytearray(good.read_bytes())
    if where == "cut":
        text = text[: len(text) // 2]
    else:
        text[len(text) // 2 if where == "content" else -600] ^= 0xFF
    bad.write_bytes(text)
    made = installer(box).obey(wish_for(box, bad))
    assert made.phase in ("refused", "failed") and made.reason and made.hint
    assert box.sector.read().next_slot() == "A" and "A" in box.rauc.slots().good


def test_no_bundle_at_all(box):
    path = box.folder / "holiday.raucb"
    path.write_bytes(b"a picture of a beach" * 1000)
    assert "not an update bundle" in installer(box).obey(wish_for(box, path)).reason


def test_another_bundle_than_the_one_that_was_looked_at_is_not_installed(box):
    wish = wish_for(box, box.bundle("4.0"))
    box.offer(box.bundle("4.1"))
    assert "another bundle lies there" in installer(box).obey(wish).reason


def test_a_link_in_the_place_of_a_bundle_is_not_followed(box):
    bundle = box.bundle("4.2")
    wish = wish_for(box, bundle)
    box.places.bundle.unlink()
    box.places.bundle.symlink_to(bundle)
    assert installer(box).obey(wish).phase == "refused"


def test_while_one_is_on_trial_no_other_is_begun_and_the_first_is_not_forgotten(box):
    trial = Record("trial", to_version="5.0", began_ns=1)
    records.write(box.places, trial)
    made = installer(box).obey(wish_for(box, box.bundle("5.1")))
    assert made.phase == "refused" and "not proved itself" in made.reason
    assert records.read(box.places) == trial


def test_a_wish_that_makes_no_sense(box):
    box.places.inbox.mkdir(exist_ok=True)
    with pytest.raises(ApplianceError, match="nobody wished"):
        read_wish(box.places)
    box.places.wish.write_text("{")
    with pytest.raises(ApplianceError, match="makes no sense"):
        read_wish(box.places)
    shutil.rmtree(box.places.inbox)
