"""Care as a test sets it: sticks come and go, jobs stand where the test wants them."""

from pathlib import Path
from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.errors import ApplianceError, invalid
from appliance.base.model import User
from appliance.web.care_port import CareState, Job, LastBackup, OnStick, Reset


class PlayedCare:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self.known = CareState(None, None, None, [])

    def set(self, order: dict[str, Any]) -> None:
        """``{"support": {…}, "sticks": […], "last_age_s": 5}``: the fields of the state that change."""
        changes: dict[str, Any] = {}
        if order.get("new"):
            self.known = CareState(None, None, None, [])
        for kind in ("support", "backup"):
            if kind in order:
                job = {"kind": kind, "began_at": self._ago(9), "ended_at": self._ago(1)} | order[kind]
                changes[kind] = msgspec.convert(job, Job)
        if "sticks" in order:
            changes["sticks"] = [msgspec.convert(stick, OnStick) for stick in order["sticks"]]
        if "reset" in order:
            changes["reset"] = msgspec.convert({"until": self._ago(-600)} | order["reset"], Reset)
        if "last_age_s" in order:
            name = "aries-0190a1b2-20260120T143000Z.backup"
            changes["last_backup"] = LastBackup(
                self._ago(order["last_age_s"]), name, "/media/sdb1", 48_200_000
            )
        self.known = msgspec.structs.replace(self.known, **changes)
        (self._folder / "support.tar.gz").write_bytes(b"\x1f\x8b a bundle")

    def _ago(self, seconds: float) -> str:
        return rfc3339(self._clock.now_ns() - round(seconds * SECOND_NS))

    async def state(self) -> CareState:
        return self.known

    async def make_support(self) -> None:
        self.set({"support": {"phase": "working", "ended_at": None}})

    async def back_up(self, folder: str, passphrase: str, by: User) -> None:
        if len(passphrase) < 10:
            raise invalid("a passphrase has at least 10 characters", "type more", field="passphrase")
        if self.known.backup is not None and self.known.backup.phase == "working":
            raise ApplianceError("conflict", "a backup is being made", "wait until it is done")
        self.set({"backup": {"phase": "working", "folder": folder, "ended_at": None}})

    async def ask_reset(self, footage: Any, by: User) -> None:
        self.set({"reset": {"phase": "waiting", "footage": footage}})

    async def call_off_reset(self, by: User) -> None:
        self.known = msgspec.structs.replace(self.known, reset=None)

    def bundle(self) -> Path:
        return self._folder / "support.tar.gz"
