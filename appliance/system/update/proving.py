"""Root's judge of a new slot, and what follows: it is marked good, or the box goes back by itself.

On a slot that has proved itself long ago it gives GRUB's tries back as soon as the screen answers.
"""

import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.errors import ApplianceError
from appliance.store import carrying_back
from appliance.system.update import record as records
from appliance.system.update.boot import Slot
from appliance.system.update.observing import Observer
from appliance.system.update.rauc import Rauc
from appliance.system.update.record import MOVING, Places, Record
from appliance.system.update.settling import Settled, settle
from appliance.system.update.verdict import Rules, Watch, look

log = logging.getLogger(__name__)

LOOK_S = 5.0
LONGEST_JOURNAL_BYTES = 20 << 20
REBOOT_S = 120.0  # for the answer; the machine goes down after it
REBUILT = "archive.db"  # from the heads and footers of the files


class Judge:
    def __init__(
        self, places: Places, rauc: Rauc, observer: Observer, clock: Clock, reboot: Callable[[], None],
        rules: Rules,
    ) -> None:  # fmt: skip
        self._places, self._rauc, self._observer = places, rauc, observer
        self._clock, self._reboot, self._rules = clock, reboot, rules

    async def run(self) -> Record:
        """Until it is decided. Where nothing is on trial, until the screen answers."""
        slots, before = self._rauc.slots(), records.read(self._places)
        settled = settle(before, slots.booted, self._clock.now_ns())
        if settled.act == "finish_going_back":
            return self._go_back(settled.record, settled.record.reason)
        if settled.act != "judge":
            await self._screen()
            self._rauc.mark(slots.booted, slots.booted, "good")
            return before if settled.record == before else _keep(self._places, settled)
        records.write(self._places, settled.record)
        return await self._judge(settled.record)

    async def _judge(self, made: Record) -> Record:
        began_ns, watch, expected = self._clock.monotonic_ns(), Watch(), frozenset(made.cameras)
        while True:
            at_s = (self._clock.monotonic_ns() - began_ns) / SECOND_NS
            watch, verdict = look(watch, self._observer.look(at_s), expected, self._rules)
            if verdict.decision == "good":
                return self._good(made)
            if verdict.decision == "back":
                return self._go_back(made, "; ".join(verdict.reasons))
            await self._clock.sleep(LOOK_S)

    def _good(self, made: Record) -> Record:
        """RAUC first: cut off between the two, it is judged once more, and is good again."""
        slot = records.other_of(made)
        self._rauc.mark(slot, slot, "good")
        made = msgspec.structs.replace(made, phase="good", ended_ns=self._clock.now_ns(), reason="", hint="")
        records.write(self._places, made)
        log.info("version %s is good", made.to_version)
        return made

    def _go_back(self, made: Record, reason: str) -> Record:
        made = msgspec.structs.replace(made, phase="going_back", reason=reason)
        records.write(self._places, made)
        log.error("version %s is not good: %s; going back to %s", made.to_version, reason, made.from_version)
        slot = records.other_of(made)
        self._rauc.boot_next(made.from_slot, slot)
        self._rauc.mark(slot, slot, "bad")
        self._reboot()
        return made

    async def _screen(self) -> None:
        while not self._observer.screen_answers():
            await self._clock.sleep(LOOK_S)


def settle_now(places: Places, rauc: Rauc, clock: Clock, booted: Slot | None = None) -> Record:
    """Before the daemon opens anything, at each start: the record is brought up to date, the journal of a
    failed slot kept, and databases that a newer version wrote are brought back. ``booted``: as the kernel
    was told; RAUC, which is slow while the machine starts, is asked only where nobody told it."""
    made = records.read(places)
    if made.phase in MOVING:
        # The power may have gone before these were taken away: this wish must not be taken for another one.
        places.wish.unlink(missing_ok=True)
        places.taken.unlink(missing_ok=True)
    try:
        made = _keep(places, settle(made, booted or rauc.slots().booted, clock.now_ns()))
    except ApplianceError as error:
        log.error("which slot this is, is not known: %s", error)
    bring_back(places)
    return made


def _keep(places: Places, settled: Settled) -> Record:
    """On the disk; with the journal of the slot that this box came back from."""
    made = settled.record
    if settled.act == "close":
        made = msgspec.structs.replace(made, journal=keep_journal(places, made))
    records.write(places, made)
    return made


def bring_back(places: Places) -> None:
    """What this version cannot open, and only that. The newer file is kept beside, whole."""
    for name in ("appliance.db", "tracks.db"):
        path, copy = places.box / name, places.copies / name
        if not carrying_back.is_newer(path):
            continue
        version = carrying_back.version_of(path)
        if not copy.exists() or carrying_back.version_of(copy) > carrying_back.KNOWN[name]:
            log.error("%s was written by a newer version, and there is no copy from before", name)
            continue
        kept = path.with_name(f"{name}.of-newer-v{version}")
        carried = carrying_back.carry_back(copy, path, kept)
        log.warning(
            "%s: the copy from before the update, with %d tables as they were last and %d rows since; "
            "as before the update: %s; the newer file: %s",
            name, len(carried.whole), carried.rows, ", ".join(carried.left) or "nothing", kept.name,
        )  # fmt: skip
    archive = places.box / REBUILT
    if carrying_back.is_newer(archive):
        carrying_back.one_file(archive)
        archive.rename(archive.with_name(f"{REBUILT}.of-newer"))


def reboot() -> None:
    """Cleanly: recordings are closed, the daemon says farewell. Not so where the service manager has no
    answer: then without asking the services."""
    for how in ("--no-wall", "--force"):
        try:
            if subprocess.run(["systemctl", "reboot", how], check=False, timeout=REBOOT_S).returncode == 0:
                return
        except (OSError, subprocess.TimeoutExpired) as error:
            log.error("systemctl reboot %s: %s", how, error)


def keep_journal(places: Places, made: Record) -> str:
    """All that the machine wrote since the update began, as text; its name, empty where there is none."""
    name = f"failed-{made.to_version}.journal"
    since = f"@{made.began_ns // SECOND_NS}"
    words = ["journalctl", "--no-pager", "--output=short-iso-precise", "--since", since]
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("the journal of %s is not kept: %s", made.to_version, error)
        return ""
    if done.returncode != 0 or not done.stdout:
        return ""
    head = f"# {made.from_version} -> {made.to_version}, begun {rfc3339(made.began_ns)}: {made.reason}\n"
    path: Path = places.own / name
    records.replace(path, head.encode() + done.stdout[-LONGEST_JOURNAL_BYTES:], 0o640)
    if os.geteuid() == 0:
        found = places.box.stat()
        os.chown(path, 0, found.st_gid)
    return name
