"""Rules' relay actions: a camera's relay output is closed when the rule alerts, and opened again after."""

import asyncio
import logging
from functools import partial

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Rule
from appliance.daemon.devices import Devices
from appliance.rules.relay import RelayAction, relay_actions

log = logging.getLogger(__name__)

_TRIES = 5
_PAUSE_S = 2.0
_CLOSE_S = 3.0
_Key = tuple[str, str]


class RelayActions:
    """``fire`` returns at once. A second alert makes a pulse longer, and no second one."""

    def __init__(self, clock: Clock, devices: Devices) -> None:
        self._clock, self._devices = clock, devices
        self._until_ns: dict[_Key, int] = {}  # monotonic
        self._tasks: dict[_Key, asyncio.Task[None]] = {}
        self._is_closed = False

    def fire(self, rule: Rule) -> None:
        if self._is_closed:
            return
        for action in relay_actions(rule):
            key = _key(action)
            ends_ns = self._clock.monotonic_ns() + round(action.seconds * SECOND_NS)
            self._until_ns[key] = max(ends_ns, self._until_ns.get(key, 0))
            if key not in self._tasks:
                task = self._tasks[key] = asyncio.create_task(self._pulse(action))
                task.add_done_callback(partial(self._forget, key))

    async def close(self) -> None:
        """No relay is left closed by a stop of the box."""
        self._is_closed = True
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=_CLOSE_S)

    def _forget(self, key: _Key, _: object) -> None:
        self._tasks.pop(key, None)
        self._until_ns.pop(key, None)

    async def _pulse(self, action: RelayAction) -> None:
        try:
            while self._left_s(action) > 0:  # again, where an alert came while it was being opened
                if not await self._switch(action, active=True):
                    self._until_ns[_key(action)] = 0
                while (left_s := self._left_s(action)) > 0:
                    await self._clock.sleep(left_s)
                await self._switch(action, active=False)  # even where closing failed: who knows what it did
        except asyncio.CancelledError:
            await self._switch(action, active=False)
            raise

    def _left_s(self, action: RelayAction) -> float:
        return (self._until_ns[_key(action)] - self._clock.monotonic_ns()) / SECOND_NS

    async def _switch(self, action: RelayAction, *, active: bool) -> bool:
        for number in range(_TRIES):
            try:
                await self._devices.set_relay(action.camera_id, action.relay, active)
                return True
            except ApplianceError as error:
                state = "closed" if active else "opened"
                log.warning("relay %s of %s is not %s: %s", action.relay, action.camera_id, state, error)
            if number < _TRIES - 1:
                await self._clock.sleep(_PAUSE_S)
        return False


def _key(action: RelayAction) -> _Key:
    return action.camera_id, action.relay
