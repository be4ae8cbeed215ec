"""Rules' relay actions: a camera's relay output is closed when the rule alerts, and opened again after."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Rule
from appliance.daemon.devices.devices import Devices
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

    def begin(self, rules: Iterable[Rule]) -> None:
        """The box starts: relays that rules close are opened, for it may have died in a pulse."""
        for rule in rules:
            for action in relay_actions(rule):
                if _key(action) not in self._tasks:
                    now_ns = self._until_ns[_key(action)] = self._clock.monotonic_ns()
                    self._start(action, self._open(action, now_ns))

    def fire(self, rule: Rule) -> None:
        if self._is_closed:
            return
        for action in relay_actions(rule):
            key = _key(action)
            ends_ns = self._clock.monotonic_ns() + round(action.seconds * SECOND_NS)
            self._until_ns[key] = max(ends_ns, self._until_ns.get(key, 0))
            if key not in self._tasks:
                self._start(action, self._pulse(action))

    async def close(self) -> None:
        """No relay is left closed by a stop of the box."""
        self._is_closed = True
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=_CLOSE_S)

    def _start(self, action: RelayAction, work: Coroutine[Any, Any, None]) -> None:
        key = _key(action)
        self._tasks[key] = asyncio.create_task(work)
        self._tasks[key].add_done_callback(partial(self._forget, key))

    async def _open(self, action: RelayAction, began_ns: int) -> None:
        await self._switch(action, active=False)
        if self._until_ns[_key(action)] != began_ns:  # an alert came meanwhile
            await self._pulse(action)

    def _forget(self, key: _Key, _: object) -> None:
        self._tasks.pop(key, None)
        self._until_ns.pop(key, None)

    async def _pulse(self, action: RelayAction) -> None:
        key = _key(action)
        try:
            while True:
                if await self._switch(action, active=True):
                    # counted from when it is closed: a slow camera makes no shorter pulse
                    least_ns = self._clock.monotonic_ns() + round(action.seconds * SECOND_NS)
                    self._until_ns[key] = max(least_ns, self._until_ns[key])
                    while (left_s := self._left_s(action)) > 0:
                        await self._clock.sleep(left_s)
                ends_ns = self._until_ns[key]
                await self._switch(action, active=False)  # even where closing failed: who knows what it did
                if self._until_ns[key] == ends_ns:  # else an alert came while it was being opened
                    return
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
