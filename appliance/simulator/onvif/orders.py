"""Orders to a fleet: a JSON line in, a JSON line back, as for other simulated cameras (``control``).

{"camera": "cam12", "do": "move", "value": "127.60.1.200"}   without a value: the next spare address
{"camera": "cam01", "do": "fault", "value": "silent"}        one of ``device.FAULTS`` that lasts
{"camera": "cam01", "do": "heal"}                            no lasting fault is left
{"camera": "cam01", "do": "password", "value": "…"}
{"camera": "cam01", "do": "motion", "value": "on"}           also tamper, input; on or off
{"camera": "cam01", "do": "clock", "value": 47}              seconds its clock is ahead from now on
{"camera": "cam01", "do": "night", "value": "on"}
{"camera": "cam01", "do": "status"}                          what is set, and who plays
{"do": "list"}                                               all cameras, as in the ready line
"""

from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError, invalid
from appliance.simulator.onvif.fleet import Fleet, Standing

_LASTING = ("slow", "silent", "garbage", "elsewhere")  # the others are in what a camera was made as


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    do: str
    camera: str = ""
    value: str | int | float | None = None
    id: int | str | None = None


class Orders:
    """Carries them out. ``spare``: addresses that cameras may move to."""

    def __init__(self, fleet: Fleet, clock: Clock, spare: list[str]) -> None:
        self._fleet = fleet
        self._clock = clock
        self._spare = spare

    async def obey(self, line: bytes) -> bytes:
        """The line to answer with. Never raises for bad input."""
        number: int | str | None = None
        try:
            try:
                order = msgspec.json.decode(line, type=Order)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise invalid(f"not an order: {error}", '{"camera":"cam01","do":"status"}') from None
            number = order.id
            answer = {"ok": True} | await self._carry_out(order)
        except ApplianceError as error:
            answer = {
                "ok": False,
                "error": {"kind": error.kind, "message": error.message, "hint": error.hint},
            }
        return msgspec.json.encode(answer if number is None else {"id": number} | answer) + b"\n"

    async def _carry_out(self, order: Order) -> dict[str, Any]:
        if order.do == "list":
            return {"cameras": self._fleet.told()}
        standing = self._fleet.camera(order.camera)
        if order.do == "status":
            return standing.status()
        if order.do == "move":
            address = str(order.value or self._next_spare())
            await self._fleet.move(order.camera, address)
            return {"address": address}
        self._change(standing, order)
        return {}

    def _change(self, standing: Standing, order: Order) -> None:
        device = standing.device
        match order.do:
            case "motion" | "tamper" | "input":
                device.notice(order.do, _is_on(order))
            case "night":
                device.set_ir_cut("OFF" if _is_on(order) else "AUTO")
            case "clock":
                if not isinstance(order.value, int | float):
                    raise invalid("clock needs seconds", "a number", field="value")
                device.set_clock(self._clock.now_ns() + round(order.value * SECOND_NS))
            case "password":
                if not order.value:
                    raise invalid("password needs a value", "the new password", field="value")
                device.password = str(order.value)
            case "fault":
                if order.value not in _LASTING:
                    raise invalid("no such fault at run time", ", ".join(_LASTING), field="value")
                device.faults.add(str(order.value))
            case "heal":
                device.faults -= set(_LASTING)
            case _:
                raise invalid(f"a camera of a fleet cannot {order.do[:40]!r}", "see orders.py", field="do")
        standing.follow_faults()

    def _next_spare(self) -> str:
        if not self._spare:
            raise invalid("there is no spare address left", "name one", field="value")
        return self._spare.pop(0)


def _is_on(order: Order) -> bool:
    if order.value not in ("on", "off"):
        raise invalid(f"{order.do} is on or off", 'write "on" or "off"', field="value")
    return order.value == "on"
