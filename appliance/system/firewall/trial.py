"""Confirm or revert: a ruleset that locked everybody out goes away by itself.

Before a new ruleset comes into force, what was in force is written to a file, with the moment from which it
is to come back. Whoever looks after that moment (the command that waits for it, which a lost connection does
not end; the tunnel's runner, once a second; the next command) brings it back. Only a confirmed ruleset is
stored, so that a restart of the machine, too, brings back the last one that worked.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError, invalid
from appliance.system.firewall import nft
from appliance.system.firewall.settings import FirewallSettings
from appliance.system.owner import give_to_owner_of
from appliance.system.programs import Programs

log = logging.getLogger(__name__)

FILE = "firewall-trial.json"
SHORTEST_S, LONGEST_S = 5.0, 3_600.0


class Trial(msgspec.Struct, frozen=True):
    """``before``: the ruleset that was in force, None: none. ``until_ns``: of the monotonic clock of
    ``boot_id``; after a restart nothing is in force that must be undone. ``wanted``: what is stored
    once it is confirmed."""

    wanted: FirewallSettings
    before: str | None
    until_ns: int
    boot_id: str


class Trials:
    """Of one box. Every call is short, and takes effect whole."""

    def __init__(self, data_dir: Path, programs: Programs, clock: Clock, boot_id: str) -> None:
        self._path = data_dir / FILE
        self._programs, self._clock, self._boot_id = programs, clock, boot_id

    def pending(self) -> Trial | None:
        """None where nothing waits; a trial of before the last start of the machine is over."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=Trial)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise ApplianceError(
                "data_loss", f"{self._path.name} is damaged: what was in force before is not known",
                "put the rules in force again: appliance firewall apply",
            ) from error  # fmt: skip
        if found.boot_id != self._boot_id:
            self._path.unlink(missing_ok=True)
            return None
        return found

    def begin(self, wanted: FirewallSettings, text: str | None, seconds: float) -> Trial:
        """``text`` (None: no rules at all) in force from now on, for ``seconds`` unless it is confirmed.
        Begun over another trial, the older one's ``before`` is what would come back."""
        if not SHORTEST_S <= seconds <= LONGEST_S:
            raise invalid(
                f"{seconds:g} s to confirm", f"give {SHORTEST_S:g} to {LONGEST_S:g}", field="seconds"
            )
        if text is not None:
            nft.check(text, self._programs)
        known = self.pending()
        before = known.before if known is not None else nft.in_force(self._programs)
        until_ns = self._clock.monotonic_ns() + round(seconds * SECOND_NS)
        trial = Trial(wanted, before, until_ns, self._boot_id)
        self._write(trial)  # first: dying right after the change must not make it last
        self._put(text)
        return trial

    def confirm(self, store: Callable[[FirewallSettings], None]) -> FirewallSettings:
        """It stays, and ``store`` is called with it. Raises ``conflict`` where nothing waits for it."""
        found = self.pending()
        if found is None or self.revert_if_due():
            raise ApplianceError(
                "conflict", "there is nothing to confirm: it was undone, or confirmed before",
                "put it in force again: appliance firewall apply",
            )  # fmt: skip
        store(found.wanted)
        self._path.unlink(missing_ok=True)
        return found.wanted

    def revert_if_due(self) -> bool:
        """True where a trial was over and what was in force before is so again."""
        found = self.pending()
        if found is None or self._clock.monotonic_ns() < found.until_ns:
            return False
        self._put(found.before)
        self._path.unlink(missing_ok=True)
        return True

    def left_s(self) -> float | None:
        """Until what waits is undone; None where nothing waits."""
        found = self.pending()
        return None if found is None else (found.until_ns - self._clock.monotonic_ns()) / SECOND_NS

    def _put(self, text: str | None) -> None:
        if text is None:
            nft.remove(self._programs)
        else:
            nft.apply(text, self._programs)

    def _write(self, trial: Trial) -> None:
        partial = self._path.with_suffix(".new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner_of(self._path.parent, descriptor)
            file.write(msgspec.json.encode(trial))
            file.flush()
            os.fsync(descriptor)
        partial.rename(self._path)


async def mind(trials: Trials, clock: Clock) -> None:
    """For ever, once a second; beside whatever else this process does with the network."""
    while True:
        try:
            if await asyncio.to_thread(trials.revert_if_due):
                log.warning("the firewall's new rules were not confirmed: the old ones are in force again")
        except ApplianceError as error:
            log.warning("firewall: %s", error)  # written once; the log sums up repeats
        await clock.sleep(1.0)
