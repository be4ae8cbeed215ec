"""Confirm, or it is undone: a change of the network with its way back written down before.

    write the way back ─► a guard waits (a process apart) ─► change ─┬─ confirmed: written to /etc, guard goes
                                                                     └─ not: undone by the guard
                                                                        restart: /run and the kernel forget it

The file lies in /run: after a restart of the machine there is nothing to undo. Who takes the lock first,
the person or the guard, wins; the other finds that nothing waits any more.
"""

import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError, invalid
from appliance.base.ids import uuid7
from appliance.system import files
from appliance.system.files import MachineFile
from appliance.system.network.steps import Steps
from appliance.system.programs import Programs

log = logging.getLogger(__name__)

FILE, CONFIRMED = "network-trial.json", "network-confirmed.json"
LOCK, GUARD, ENDED = "network-trial.lock", "network-guard.json", "network-ended.json"
SHORTEST_S, LONGEST_S = 1.0, 600.0
GUARD_COMES_S = 20.0
LATE_S = 2.0  # of a guard that undoes: after that it is dead

Found = TypeVar("Found")


class Trial(msgspec.Struct, frozen=True):
    """``keep``: what is written once it is confirmed. ``prefix``: of the programs that undo."""

    id: str
    seconds: float
    root: str
    prefix: tuple[str, ...]
    steps: Steps
    keep: tuple[MachineFile, ...]


class Waiting(msgspec.Struct, frozen=True):
    """Of the guard. ``until_ns``: monotonic, the same for every process of one start of the machine."""

    trial: str
    until_ns: int


class Trials:
    """In ``run``, of the machine under ``root``."""

    def __init__(self, run: Path, root: Path, programs: Programs, clock: Clock) -> None:
        self._run, self._root, self._programs, self._clock = run, root, programs, clock

    async def begin(self, steps: Steps, keep: Sequence[MachineFile], seconds: float) -> None:
        """In force afterwards, for ``seconds``. Raises ``conflict`` while another waits, ``invalid``, or
        ``unavailable`` where no guard comes or a command fails; all is as before then."""
        if not SHORTEST_S <= seconds <= LONGEST_S:
            raise invalid(f"{seconds:g} s to confirm", f"give {SHORTEST_S:g} to {LONGEST_S:g}")
        if self._waits_still():
            raise ApplianceError(
                "conflict", "a change of the network waits to be confirmed", "confirm it, or wait a minute"
            )
        trial = Trial(
            uuid7(self._clock.now_ns()),
            seconds,
            str(self._root),
            self._programs.prefix,
            steps,
            tuple(keep),
        )
        self._run.mkdir(mode=0o755, parents=True, exist_ok=True)
        files.put(MachineFile(FILE, msgspec.json.encode(trial).decode(), 0o600), self._run)
        try:
            leave_guard(self._run, self._root, self._programs, trial.id)
            await self._guarded(trial)
            for file in steps.put:
                files.put(file, self._root)
            for command in steps.run:
                self._programs.must(*command)
        except BaseException:  # whatever it was, and a cancelled request too: nothing half-done stays
            undo(self._run)
            raise

    def _waits_still(self) -> bool:
        """One that was killed before its guard came has changed nothing: its undoing does not, either."""
        trial = pending(self._run)
        if trial is None:
            return False
        found = waiting(self._run)
        if found is not None and found.trial == trial.id and self._clock.monotonic_ns() < found.until_ns:
            return True
        undo(self._run)
        return False

    def look_after(self) -> bool:
        """Should the guard itself have been killed: True where it was undone now."""
        finish(self._run)
        trial, found = pending(self._run), waiting(self._run)
        if trial is None or found is None or found.trial != trial.id:
            return False
        late_ns = self._clock.monotonic_ns() - found.until_ns
        return late_ns > LATE_S * SECOND_NS and undo(self._run)

    async def _guarded(self, trial: Trial) -> None:
        """No change before somebody stands there who undoes it."""
        ends_ns = self._clock.monotonic_ns() + round(GUARD_COMES_S * SECOND_NS)
        while (found := waiting(self._run)) is None or found.trial != trial.id:
            if self._clock.monotonic_ns() > ends_ns:
                raise ApplianceError(
                    "unavailable", "the process that would undo the change does not start",
                    "look at `journalctl -u 'aries-network-undo*'`; nothing was changed",
                )  # fmt: skip
            await self._clock.sleep(0.05)

    def confirm(self) -> None:
        """It lasts. Raises ``conflict`` where nothing waits: it was undone, or confirmed before."""
        with locked(self._run):
            trial = pending(self._run)
            if trial is None or _over(self._run, self._clock):
                raise ApplianceError(
                    "conflict", "it is too late: the network is as it was before", "apply it again"
                )
            (self._run / FILE).rename(self._run / CONFIRMED)  # from here on it is not undone
            _finish(self._run)

    def left_s(self) -> float | None:
        """Until it is undone; None where nothing waits. 0: it is being undone."""
        if pending(self._run) is None:
            return None
        found = waiting(self._run)
        left_ns = found.until_ns - self._clock.monotonic_ns() if found is not None else 0
        return max(0.0, left_ns / SECOND_NS)


def finish(run: Path) -> None:
    """What was confirmed lasts, though whoever was writing it was killed."""
    if (run / CONFIRMED).exists():
        with locked(run):
            _finish(run)


def _finish(run: Path) -> None:
    trial = _read(run / CONFIRMED, Trial)
    if trial is None:
        return
    for file in trial.keep:
        files.put(file, Path(trial.root))
    for path in trial.steps.undo_remove:  # what lasts says the same, and is read from there from now on
        (Path(trial.root) / path.lstrip("/")).unlink(missing_ok=True)
    _end(run, trial)
    (run / CONFIRMED).unlink()


def _over(run: Path, clock: Clock) -> bool:
    found = waiting(run)
    return found is None or clock.monotonic_ns() >= found.until_ns


def pending(run: Path) -> Trial | None:
    """None, too, for a file that cannot be read: whoever wrote it half had not begun."""
    return _read(run / FILE, Trial)


def waiting(run: Path) -> Waiting | None:
    return _read(run / GUARD, Waiting)


def ended(run: Path, trial_id: str) -> bool:
    """It was confirmed or undone, and somebody wrote that down; or another's turn has come. That its file is
    gone says nothing: systemd takes a service's folder in /run away with the service."""
    found, last = pending(run), _read(run / ENDED, str)
    return last == trial_id or (found is not None and found.id != trial_id)


def undo(run: Path, known: Trial | None = None) -> bool:
    """All commands, whatever becomes of each: half of the way back is better than none. False where
    nothing waited. Called by the guard, which has ``known`` it from the beginning, and where the change
    itself failed."""
    with locked(run):
        trial = pending(run) or known
        if trial is None or (known is not None and ended(run, known.id)):
            return False
        programs = Programs(trial.prefix)
        for path in trial.steps.undo_remove:
            (Path(trial.root) / path.lstrip("/")).unlink(missing_ok=True)
        for command in trial.steps.undo_run:
            try:
                programs.must(*command)
            except ApplianceError as error:
                log.warning("on the way back: %s", error)
        _end(run, trial)
        (run / FILE).unlink(missing_ok=True)
        return True


def _end(run: Path, trial: Trial) -> None:
    files.put(MachineFile(ENDED, msgspec.json.encode(trial.id).decode(), 0o600), run)


@contextmanager
def locked(run: Path) -> Iterator[None]:
    run.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(run / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def leave_guard(run: Path, root: Path, programs: Programs, name: str) -> None:
    """A process that outlives this one. Where systemd runs it is a unit of its own: stopping ours would end
    every process that we began ourselves, in whatever session."""
    words = [sys.executable, "-m", "appliance.system.network.guard", str(run)]
    if root == Path("/") and Path("/run/systemd/system").is_dir() and programs.has("systemd-run"):
        path = ("-E", f"PYTHONPATH={os.environ['PYTHONPATH']}") if os.environ.get("PYTHONPATH") else ()
        unit = f"--unit=aries-network-undo-{name}"
        programs.must("systemd-run", "--quiet", "--collect", unit, *path, *words)
        return
    null = subprocess.DEVNULL
    # setsid forks: it is nobody's child, in a session of its own
    subprocess.run(["setsid", "--fork", *words], stdin=null, stdout=null, stderr=null, cwd="/", check=False)


def _read(path: Path, kind: type[Found]) -> Found | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None
