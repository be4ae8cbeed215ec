"""The tunnel as a part of the daemon: run here where this process may make interfaces, else looked at.

The unit of the daemon may not (it has no right at all); ``aries-tunnel.service`` runs the tunnel then, and
the daemon reads from its file how it is. Nothing waits for it: recording, rules and the screen need none.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.daemon.health import Finding
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.system.firewall.trial import Trials, mind
from appliance.system.programs import Programs
from appliance.system.tunnel import kept, state
from appliance.system.tunnel.runner import Runner
from appliance.system.tunnel.state import TunnelState

log = logging.getLogger(__name__)

LOOK_S = 5.0
CAP_NET_ADMIN = 12  # linux/capability.h
QUIET_NS = 30 * SECOND_NS  # just put up: not a finding yet


class TunnelPart:
    """``run`` until cancelled; ``state`` and ``findings`` at any moment, from memory. ``on_up``: it is up
    again, whoever waits for the link may go on."""

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        clock: Clock,
        data_dir: Path,
        boot_id: str,
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._db, self._sealer, self._clock = db, sealer, clock
        self._data_dir, self._boot_id = data_dir, boot_id
        self._wanted = False
        self._on_up = on_up
        self.state = TunnelState(since_ns=clock.now_ns())

    async def run(self) -> None:
        while True:
            try:
                await self._look()
                if self._wanted and may_make_interfaces() and not state.running(self._data_dir):
                    await self._run_here()
            except ApplianceError as error:
                log.warning("tunnel: %s", error)
            await self._clock.sleep(LOOK_S)

    def findings(self) -> list[Finding]:
        """Nothing where no tunnel is wanted. Without addresses: strangers read ``/health/ready``."""
        if not self._wanted:
            return []
        found = self.state
        if found.state == "up":
            return [("tunnel", "ok", "up")]
        if self._clock.now_ns() - found.since_ns < QUIET_NS:
            return [("tunnel", "ok", "being put up")]
        return [("tunnel", "degraded", f"{found.state}: {found.hint}" if found.hint else found.state)]

    async def _look(self) -> None:
        self._wanted = (await self._db.read(kept.wanted)).on
        found = await asyncio.to_thread(state.read, self._data_dir)
        if found is None:
            detail = "no program runs it" if self._wanted else "it is not wanted"
            hint = "start it: systemctl start aries-tunnel" if self._wanted else state.STEPS["off"]
            found = TunnelState(since_ns=self.state.since_ns, detail=detail, hint=hint)
            if self.state.state != "off":
                found = msgspec.structs.replace(found, since_ns=self._clock.now_ns())
        self._now(found)

    def _now(self, found: TunnelState) -> None:
        before, self.state = self.state, found
        if found.state == "up" != before.state:
            self._on_up()

    async def _run_here(self) -> None:
        """Until it is not wanted any more."""
        runner = Runner(self._db, self._sealer, self._clock, self._data_dir)
        minding = asyncio.ensure_future(
            mind(Trials(self._data_dir, Programs(), self._clock, self._boot_id), self._clock)
        )
        running = asyncio.ensure_future(runner.run())
        try:
            while self._wanted and not running.done():
                await self._clock.sleep(1.0)
                self._wanted = (await self._db.read(kept.wanted)).on
                self._now(runner.state)
            if running.done():
                running.result()
        finally:
            running.cancel()
            minding.cancel()
            await asyncio.gather(running, minding, return_exceptions=True)


def may_make_interfaces() -> bool:
    """Whether this process has CAP_NET_ADMIN (capabilities(7)) in the network where it is."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_NET_ADMIN & 1)
    return False
