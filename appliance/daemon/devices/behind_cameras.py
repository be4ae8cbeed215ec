"""What the box has to do with the devices behind its cameras, put together: it finds those that moved,
hears what they notice, switches their relays, and answers what people ask of them."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

from appliance.alerts.intake import Intake
from appliance.base.clock import Clock
from appliance.base.model import CameraStatus, Credentials
from appliance.base.supervision import supervise
from appliance.daemon.devices.devices import Devices
from appliance.daemon.devices.relay_actions import RelayActions
from appliance.daemon.devices.search import CameraSearch
from appliance.daemon.devices.whereabouts import Whereabouts
from appliance.daemon.own_events import OwnEventsPart
from appliance.store import cameras, rules
from appliance.store.database import Database


class BehindCameras:
    """``apply`` after each change of cameras or rules; ``run`` looks for cameras that moved, for ever.
    ``credentials`` blocks and is called in a thread."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        device_id: str,
        intake: Intake,
        *,
        statuses: Callable[[], Mapping[str, CameraStatus]],
        credentials: Callable[[str], Credentials | None],
        moved: Callable[[], Awaitable[None]],
        ring: Callable[[int], None],
    ) -> None:
        self._db, self._clock = db, clock
        search = CameraSearch(clock)
        self.devices = Devices(db, clock, search, credentials)
        self.relays = RelayActions(clock, self.devices)
        self.own_events = OwnEventsPart(clock, self.devices, intake)
        self._whereabouts = Whereabouts(
            db, clock, search, device_id, statuses=statuses, credentials=credentials, moved=moved, ring=ring
        )

    async def start(self, stack: AsyncExitStack) -> None:
        """Until ``stack`` closes."""
        stack.push_async_callback(self.devices.close)
        stack.push_async_callback(self.relays.close)
        stack.push_async_callback(self.own_events.close)
        await self.apply()
        self.relays.begin(await self._db.read(rules.list_rules))

    async def apply(self) -> None:
        listed, found = await self._db.read(cameras.list_cameras), await self._db.read(rules.list_rules)
        await self.own_events.apply(listed, found)

    async def run(self) -> None:
        await supervise("whereabouts", self._whereabouts.run_once, self._clock)
