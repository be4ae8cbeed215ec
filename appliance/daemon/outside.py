"""What the box says and hears without a network: its LED and relay say how it is, its UPS how long."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from appliance.base.clock import Clock
from appliance.daemon.health import Finding, Health, Status
from appliance.system import led, ups
from appliance.system.ups import Power
from appliance.web.health import worst

log = logging.getLogger(__name__)

LOOK_S = 5.0
RELAY_S = 2.0
STATES: dict[str, led.State] = {"ok": "ready", "degraded": "degraded", "failing": "failing"}
GRAVITY: dict[ups.Source, Status] = {
    "mains": "ok", "battery": "degraded", "unknown": "degraded", "low": "failing",
}  # fmt: skip
NOT_OURS = "the account of the daemon may not write there: see leds.rules and leds.conf in systemd/"


class Lamps:
    """``led`` blinks (``system.led``); ``relay`` is closed unless something fails, or nobody is here."""

    def __init__(self, health: Health, clock: Clock, led: Path | None, relay: Path | None) -> None:
        self._health, self._clock, self._led, self._relay = health, clock, led, relay
        self._fault = ""

    async def run_led(self) -> None:
        """Until cancelled; then it is dark."""
        if self._led is not None:
            await self._drive(self._led, self._blink)

    async def run_relay(self) -> None:
        if self._relay is not None:
            await self._drive(self._relay, self._hold)

    async def _drive(self, folder: Path, turn: Callable[[led.Output], Any]) -> None:
        output: led.Output | None = None
        try:
            while True:
                try:
                    output = output or led.Output(folder)
                    await turn(output)
                    self._fault = ""
                except OSError as error:
                    if not self._fault:
                        log.warning("%s cannot be switched: %s; %s", folder, error.strerror, NOT_OURS)
                    self._fault, output = f"{folder.name} cannot be switched", None
                    await self._clock.sleep(LOOK_S)
        finally:
            if output is not None:
                try:
                    output.switch(on=False)
                except OSError:
                    pass  # it is gone, and dark anyway

    async def _blink(self, output: led.Output) -> None:
        await led.blink(output, self._state(), self._clock)

    async def _hold(self, output: led.Output) -> None:
        output.switch(on=self._state() in ("ready", "degraded"))
        await self._clock.sleep(RELAY_S)

    def _state(self) -> led.State:
        if not self._health.started:
            return "starting"
        return STATES[worst(self._health.checks())]

    def findings(self) -> list[Finding]:
        return [("lamps", "degraded", self._fault)] if self._fault else []


class Tell(Protocol):
    def __call__(self, type_: str, metadata: dict[str, Any]) -> None: ...


class Mains:
    """Asks for the UPS. ``alarm``: a critical alert about the box itself."""

    def __init__(self, clock: Clock, alarm: Tell, look: Callable[[], Any] = ups.look) -> None:
        self._clock, self._alarm, self._look = clock, alarm, look
        self.power: Power | None = None
        self._told = ""  # the alarm that stands: a mains that flickers raises one

    async def run(self) -> None:
        while True:
            await self.run_once()
            await self._clock.sleep(LOOK_S)

    async def run_once(self) -> None:
        before, found = self.power, await self._look()
        if found is None and before is not None:
            found = Power("unknown", model=before.model)
        self.power = found
        if found is None or before is None:
            return
        if found.source != before.source:
            log.warning("UPS: %s", found.text())
        elif found.source == "mains":
            self._told = ""  # twice in a row: they are back
        if found.source == "low" and self._told != "battery_low":
            self._tell("battery_low", "the box stops cleanly, and starts again with the mains")
        elif found.source == before.source == "battery" and not self._told:
            self._tell("power_lost", "look after the mains; recording goes on until the battery is low")

    def _tell(self, type_: str, hint: str) -> None:
        self._told = type_
        assert self.power is not None
        self._alarm(type_, {"detail": self.power.text(), "hint": hint})

    def findings(self) -> list[Finding]:
        if self.power is None:
            return []
        return [("ups", GRAVITY[self.power.source], self.power.text())]
