"""The UPS, as NUT's server on this machine knows it: RFC 9271, section 4.2 (``LIST UPS``, ``LIST VAR``).

The daemon asks, every few seconds: a notification that is lost while it restarts would be a power cut that it
never heard of. It only asks. Who stops the box when the battery ends is ``upsmon``, which needs no daemon
(``ups_files``).
"""

import asyncio
import shlex
from typing import Literal

import msgspec

HOST, PORT = "127.0.0.1", 3493
ANSWER_S = 3.0
LONGEST_LINES = 500

Source = Literal["mains", "battery", "low", "unknown"]


class Power(msgspec.Struct, frozen=True):
    """``low``: on battery and about to end. ``unknown``: the UPS, or its driver, does not answer.
    ``charge_percent`` 0..100; ``runtime_s``: what the UPS expects at this load. None: it does not say."""

    source: Source
    charge_percent: float | None = None
    runtime_s: float | None = None
    model: str = ""

    def text(self) -> str:
        """For people."""
        words = {
            "mains": "on mains",
            "battery": "on battery: the mains are gone",
            "low": "the battery is almost empty: the box stops",
            "unknown": "the UPS does not answer",
        }[self.source]
        charge = "" if self.charge_percent is None else f", {self.charge_percent:.0f} % charged"
        left = ""
        if self.runtime_s is not None and self.source != "mains":
            left = f", {self.runtime_s / 60:.0f} min left"
        return f"{words}{charge}{left}"


async def look(host: str = HOST, port: int = PORT) -> Power | None:
    """The first UPS that the server has; None where there is no server, or it has none."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return await _ask(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return None


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Power | None:
    names = [words[1] for words in await _list(reader, writer, "UPS") if len(words) > 1]
    if not names:
        return None
    found = {words[2]: words[3] for words in await _list(reader, writer, f"VAR {names[0]}") if len(words) > 3}
    return power_of(found)


async def _list(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: str) -> list[list[str]]:
    """The lines between BEGIN and END; none after ``ERR`` (stale data, no driver)."""
    writer.write(f"LIST {what}\n".encode())
    lines: list[list[str]] = []
    for _ in range(LONGEST_LINES):
        text = (await reader.readuntil(b"\n")).decode(errors="replace")
        words = shlex.split(text)
        if not words or words[0] in ("ERR", "END"):
            break
        if words[0] != "BEGIN":
            lines.append(words)
    return lines


def power_of(variables: dict[str, str]) -> Power:
    """``variables``: by NUT's names. ``ups.status`` is words: OL on line, OB on battery, LB battery low, FSD
    the order to stop was given."""
    status = variables.get("ups.status", "").split()
    source: Source = "unknown"
    if "FSD" in status or ("OB" in status and "LB" in status):
        source = "low"
    elif "OB" in status:
        source = "battery"
    elif "OL" in status:
        source = "mains"
    model = " ".join(filter(None, (variables.get("ups.mfr"), variables.get("ups.model"))))
    charge, runtime = (_number(variables.get(f"battery.{name}")) for name in ("charge", "runtime"))
    return Power(source, charge, runtime, model[:100])


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None
