"""The judge with a real RAUC: good is marked, a slot that does not record is left, databases come back."""

import asyncio
import sqlite3

import msgspec
import pytest

from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.store.carrying_back import KNOWN
from appliance.system.update import proving
from appliance.system.update import record as records
from appliance.system.update.observing import Observer, cameras_writing
from appliance.system.update.proving import Judge, bring_back, settle_now
from appliance.system.update.rauc import Slots
from appliance.system.update.record import Places, Record
from appliance.system.update.verdict import Rules, Seen

RULES = Rules(30, 120)
ON_TRIAL = Record("trial", "A", "1.0", "1.1", ("yard",), began_ns=1_000_000_000)


class Played:
    """RAUC as it is in slot B, which no file-backed RAUC here can be booted from."""

    def __init__(self, booted="B"):
        self.booted, self.told = booted, []

    def slots(self):
        return Slots("c", self.booted, frozenset("AB"), "")

    def mark(self, slot, booted, verdict):
        self.told.append((slot, verdict))

    def boot_next(self, slot, booted):
        self.told.append((slot, "next"))


class PlayedObserver:
    def __init__(self, writing=(), screen=True):
        self.writing, self.screen = frozenset(writing), screen

    def look(self, at_s):
        return Seen(at_s, self.writing, self.screen, True, True)

    def screen_answers(self):
        return self.screen


@pytest.fixture
def places(tmp_path):
    made = Places(tmp_path / "box")
    made.box.mkdir()
    made.own.mkdir()
    return made


async def judged(places, rauc, observer):
    """The judge, with the clock moved for it."""
    clock, reboots = ManualClock(), []
    task = asyncio.ensure_future(Judge(places, rauc, observer, clock, lambda: reboots.append(1), RULES).run())
    for _ in range(200):
        await asyncio.sleep(0)
        if task.done():
            break
        clock.tick(proving.LOOK_S)
    return await task, reboots


async def test_a_slot_that_records_is_marked_good(places):
    records.write(places, ON_TRIAL)
    rauc = Played()
    made, reboots = await judged(places, rauc, PlayedObserver(["yard", "new"]))
    assert made.phase == "good" and rauc.told == [("B", "good")] and reboots == []
    assert records.read(places) == made


async def test_a_slot_that_does_not_record_is_left_by_itself_and_says_why(places):
    records.write(places, ON_TRIAL)
    rauc = Played()
    made, reboots = await judged(places, rauc, PlayedObserver())
    assert made.phase == "going_back" and made.reason == "not recorded: yard"
    assert rauc.told == [("A", "next"), ("B", "bad")] and reboots == [1]


async def test_cut_off_while_going_back_it_goes_on_going_back(places):
    records.write(places, msgspec.structs.replace(ON_TRIAL, phase="going_back", reason="why"))
    rauc = Played()
    made, reboots = await judged(places, rauc, PlayedObserver(["yard"]))
    assert made.reason == "why" and ("A", "next") in rauc.told and reboots == [1]


async def test_a_slot_that_proved_itself_long_ago_gets_its_tries_back_when_the_screen_answers(places):
    records.write(places, msgspec.structs.replace(ON_TRIAL, phase="good"))
    rauc = Played()
    made, reboots = await judged(places, rauc, PlayedObserver())
    assert made.phase == "good" and rauc.told == [("B", "good")] and reboots == []


@pytest.mark.parametrize(
    ("answer", "asked"),
    [("exit 0", ["--no-wall"]), ("exit 1", ["--no-wall", "--force"]), ("sleep 9", ["--no-wall", "--force"])],
)
def test_a_box_that_is_to_start_the_other_slot_starts_it(tmp_path, monkeypatch, answer, asked):
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho $2 >> {tmp_path}/asked\nexec 2>&-\n{answer}\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(proving, "REBOOT_S", 1 if "sleep" in answer else 60)
    proving.reboot()
    assert (tmp_path / "asked").read_text().split() == asked


def test_back_in_the_old_slot_the_reason_stands_in_the_record(places):
    records.write(places, ON_TRIAL)
    made = settle_now(places, Played("A"), ManualClock())
    assert made.phase == "back" and "three times" in made.reason and records.read(places).phase == "back"


async def test_what_was_not_settled_at_the_start_is_settled_by_the_judge(places):
    records.write(places, ON_TRIAL)
    made, reboots = await judged(places, Played("A"), PlayedObserver())
    assert made.phase == "back" and records.read(places) == made and reboots == []


def test_the_kernel_knows_its_slot_without_rauc(places):
    class Silent:
        def slots(self):
            raise ApplianceError("unavailable", "rauc does not answer", "")

    records.write(places, ON_TRIAL)
    assert settle_now(places, Silent(), ManualClock()).phase == "trial"
    assert settle_now(places, Silent(), ManualClock(), "A").phase == "back"


@pytest.mark.parametrize(("phase", "left"), [("writing", False), ("trial", False), ("good", True)])
def test_after_a_power_cut_the_wish_of_the_update_that_was_begun_is_not_taken_for_another(
    places, phase, left
):
    records.write(places, msgspec.structs.replace(ON_TRIAL, phase=phase))
    places.inbox.mkdir()
    places.wish.write_text("{}")
    places.taken.write_text("half a bundle")
    settle_now(places, Played("A"), ManualClock())
    assert (places.wish.exists(), places.taken.exists()) == (left, left)


def test_databases_of_a_newer_version_come_back_and_are_kept(places):
    places.copies.mkdir()
    for path, version in (
        (places.copies / "appliance.db", KNOWN["appliance.db"]),
        (places.box / "appliance.db", 99),
    ):
        with sqlite3.connect(path) as conn:
            conn.execute("CREATE TABLE events (id TEXT PRIMARY KEY)")
            conn.execute("INSERT INTO events VALUES (?)", (f"of {version}",))
            conn.execute(f"PRAGMA user_version={version}")
        conn.close()
    with sqlite3.connect(places.box / "archive.db") as conn:
        conn.execute("PRAGMA user_version=99")
    conn.close()
    bring_back(places)
    with sqlite3.connect(places.box / "appliance.db") as conn:
        assert conn.execute("PRAGMA user_version").fetchone()[0] == KNOWN["appliance.db"]
        assert conn.execute("SELECT id FROM events").fetchall() == [("of 99",)]
    conn.close()
    assert (places.box / "appliance.db.of-newer-v99").exists()
    assert not (places.box / "archive.db").exists()
    bring_back(places)  # nothing more to do


def test_without_a_copy_the_newer_database_stays_as_it_is(places):
    with sqlite3.connect(places.box / "appliance.db") as conn:
        conn.execute("PRAGMA user_version=99")
    conn.close()
    bring_back(places)
    assert not list(places.box.glob("*.of-newer*"))


def write(box, camera, name, text):
    hour = box / f"recordings/{camera}/main/2026-01-20/14"
    hour.mkdir(parents=True, exist_ok=True)
    with (hour / name).open("ab") as file:
        file.write(text)


def test_a_camera_writes_where_its_newest_file_grows_or_is_a_new_one(places):
    observer = Observer(places.box, 1)
    for camera in ("grows", "rests", "turns"):
        write(places.box, camera, "20260120T140000.000Z.mp4", b"x")
    assert observer.look(0).writing == frozenset()
    write(places.box, "grows", "20260120T140000.000Z.mp4", b"y")
    write(places.box, "turns", "20260120T140100.000Z.mp4", b"x")
    seen = observer.look(5)
    assert seen.writing == {"grows", "turns"} and not seen.screen and not seen.migrated
    assert cameras_writing(places.box, 0) == {"grows", "rests", "turns"}
    assert cameras_writing(places.box, 1 << 62) == frozenset()
