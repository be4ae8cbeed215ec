"""A factory reset that an admin asks for on the screen and somebody before the box proves: by plugging in a
stick with the box's id, after it was asked for. One that is in the box already proves nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.base.model import User
from appliance.daemon.care import resetting
from appliance.store import audit
from appliance.store.database import Database
from appliance.system.sticks import Stick
from appliance.web.care_port import Reset, ResetPhase

log = logging.getLogger(__name__)

WAITS_NS = 600 * SECOND_NS
LOOK_S = 1.0
_GO_S = 2.0  # until the box stops: the screen reads what happens
_Plugged = tuple[str, int]  # folder, device


class ResetByStick:
    """``sticks`` blocks: what is plugged in. ``stop``: ends the daemon; its next start does the reset."""

    def __init__(
        self,
        config: Config,
        db: Database,
        clock: Clock,
        device_id: str,
        sticks: Callable[[], list[Stick]],
        stop: Callable[[], None],
    ) -> None:
        self._config, self._db, self._clock, self._device_id = config, db, clock, device_id
        self._sticks, self._stop = sticks, stop
        self._asked: Reset | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def asked(self) -> Reset | None:
        return self._asked

    async def ask(self, footage: resetting.Footage, by: User) -> None:
        """From now on a stick is waited for. Raises ``conflict`` where one is already."""
        if self._asked is not None and self._asked.phase in ("waiting", "begun"):
            raise ApplianceError(
                "conflict", "a reset is asked for already", "plug the stick in, or call it off"
            )
        until_ns = self._clock.now_ns() + WAITS_NS
        self._asked = Reset("waiting", footage, rfc3339(until_ns))  # at once: nobody else may ask meanwhile
        try:
            here = await asyncio.to_thread(self._plugged)
            await self._note(by, {"reset": "asked", "footage": footage})
        except ApplianceError:
            self._asked = None
            raise
        deadline_ns = self._clock.monotonic_ns() + WAITS_NS
        self._task = asyncio.create_task(self._wait(footage, by, set(here), deadline_ns))

    async def call_off(self, by: User) -> None:
        """Raises ``conflict`` where it has begun."""
        if self._asked is not None and self._asked.phase == "begun":
            raise ApplianceError("conflict", "the reset has begun", "it cannot be called off any more")
        await self.close()
        if self._asked is not None and self._asked.phase == "waiting":
            await self._note(by, {"reset": "called off"})
        self._asked = None

    async def close(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _wait(
        self, footage: resetting.Footage, by: User, before: set[_Plugged], deadline_ns: int
    ) -> None:
        while self._clock.monotonic_ns() < deadline_ns:
            plugged = await asyncio.to_thread(self._plugged)
            before &= set(plugged)  # pulled out and plugged in again it is a new one
            new = [folder for key, folder in plugged.items() if key not in before]
            proofs = [await asyncio.to_thread(resetting.is_proof, one, self._device_id) for one in new]
            if any(proofs):
                await self._begin(footage, by)
                return
            before |= set(plugged)
            if new:
                self._say("waiting", footage, "this stick does not hold the file with this box's id")
            await self._clock.sleep(LOOK_S)
        self._say("over", footage, "no stick came in time: nothing was changed")

    async def _begin(self, footage: resetting.Footage, by: User) -> None:
        try:
            await self._note(by, {"reset": "begun", "footage": footage})
            await asyncio.to_thread(resetting.begin_here, self._config, footage, self._clock)
        except (ApplianceError, OSError) as error:
            self._say("over", footage, f"it could not begin: {error}")
            return
        log.warning("a factory reset begins; asked for by %s, proved by a stick", by.username)
        self._say("begun", footage, "")
        await self._clock.sleep(_GO_S)
        self._stop()

    def _say(self, phase: ResetPhase, footage: resetting.Footage, message: str) -> None:
        until = self._asked.until if self._asked is not None else ""
        self._asked = Reset(phase, footage, until, message)

    def _plugged(self) -> dict[_Plugged, Path]:
        found = {}
        for stick in self._sticks():
            with contextlib.suppress(OSError):
                found[stick.folder, Path(stick.folder).stat().st_dev] = Path(stick.folder)
        return found

    async def _note(self, by: User, detail: dict[str, str]) -> None:
        now_ns = self._clock.now_ns()
        await self._db.write(lambda conn: audit.add(conn, now_ns, by, "changed", "box", detail))
