"""State without a screen: an LED that tells by how it blinks, a relay that lets go when all is not well.

Both are a folder of sysfs: an LED's (``brightness``, ``max_brightness``, ``trigger``; Linux'
Documentation/leds/leds-class.rst), which is what relays of the device tree are, too, or a GPIO line's
(``value``). We switch it ourselves, turn by turn, instead of giving the kernel a pattern: the kernel would go
on saying "ready" for a box that is dead. So an LED that does not change, lit or dark, says: nobody is here.
"""

from pathlib import Path
from typing import Literal

from appliance.base.clock import Clock

State = Literal["starting", "ready", "degraded", "failing"]

# (lit, seconds), again and again.
PATTERNS: dict[State, tuple[tuple[bool, float], ...]] = {
    "starting": ((True, 0.1), (False, 1.9)),
    "ready": ((True, 1.9), (False, 0.1)),
    "degraded": ((True, 1.0), (False, 1.0)),
    "failing": ((True, 0.15), (False, 0.15)) * 7,
}


class Output:
    """One LED or line. Raises ``OSError`` where it cannot be switched."""

    def __init__(self, folder: Path) -> None:
        self._line = folder / "value"
        self._on = "1"
        if (folder / "brightness").exists():
            self._line = folder / "brightness"
            self._on = (folder / "max_brightness").read_text().strip()
            (folder / "trigger").write_text("none")  # else the kernel, too, writes to it

    def switch(self, *, on: bool) -> None:
        self._line.write_text(self._on if on else "0")


async def blink(output: Output, state: State, clock: Clock) -> None:
    """``state``'s pattern once: about 2 s."""
    for on, seconds in PATTERNS[state]:
        output.switch(on=on)
        await clock.sleep(seconds)
