"""The power-cut test: "pull the plug now", and what the box finds of itself when it is back.

Until the cut a pulse is put on the disk four times a second: the last one that is there says until when the
box lived, give or take the pulse. Between it and the end of what is recorded lies what was lost, which R2
bounds by ``durability_s``. Afterwards ``appliance check`` looks at every rule of the recordings.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from appliance.base.clock import SECOND_NS, boot_id, rfc3339
from appliance.base.errors import ApplianceError
from provisioning.ground import Ground
from provisioning.record import write_whole
from provisioning.report.document import Figure, Line, Result, State
from provisioning.report.kept import Reports
from provisioning.steps.acceptance.subject import StreamSubject, Subject, nanoseconds

NAME, TITLE = "power_cut", "Power cut"
FILE, PULSE_FILE = "power-cut.json", "power-cut.pulse"
PULSE_S = 0.25
WAIT_S = 600.0  # nobody pulls the plug for so long: the test is off
TOLERANCE_S = 2 * PULSE_S
BACK_NS = 120 * SECOND_NS
CHECK_S = 900.0
SLOW_BOOT_S = 180.0


class Awaited(msgspec.Struct, frozen=True):
    """Somebody was asked to pull the plug. ``boot_id``: of the boot that is to end."""

    asked_ns: int
    boot_id: str


class PowerCut(msgspec.Struct, frozen=True):
    """``state``: none; waiting (for the plug); cut (the box is back, ``examine`` is due)."""

    state: Literal["none", "waiting", "cut"]
    asked_at: str = ""
    durability_s: float = 1.0


def state_of(ground: Ground, durability_s: float) -> PowerCut:
    found = _read(ground)
    if found is None:
        return PowerCut("none", durability_s=durability_s)
    state: Literal["waiting", "cut"] = "waiting" if found.boot_id == boot_id() else "cut"
    return PowerCut(state, rfc3339(found.asked_ns), durability_s)


def begin(ground: Ground) -> None:
    """From now on the plug may be pulled; ``pulse`` has to run."""
    folder = Reports(ground.data_dir).make_root()
    (folder / PULSE_FILE).unlink(missing_ok=True)
    _beat(folder, ground.clock.now_ns())
    write_whole(folder / FILE, msgspec.json.encode(Awaited(ground.clock.now_ns(), boot_id())))


def give_up(ground: Ground) -> None:
    """Nobody pulls the plug."""
    folder = Reports(ground.data_dir).root
    for name in (FILE, PULSE_FILE):
        (folder / name).unlink(missing_ok=True)


async def pulse(ground: Ground) -> None:
    """Until the power goes, ``give_up`` is called, or nobody comes."""
    folder = Reports(ground.data_dir).root
    until_ns = ground.clock.monotonic_ns() + round(WAIT_S * SECOND_NS)
    while ground.clock.monotonic_ns() < until_ns and (folder / FILE).exists():
        await asyncio.to_thread(_beat, folder, ground.clock.now_ns())
        await ground.clock.sleep(PULSE_S)
    give_up(ground)


def _beat(folder: Path, now_ns: int) -> None:
    descriptor = os.open(folder / PULSE_FILE, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, b"%020d" % now_ns, 0)  # one sector: old or new, never torn
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


async def examine(ground: Ground, subject: Subject) -> Result:
    """After the cut. Raises ``conflict`` where there was none; ``unavailable`` while cameras are not back."""
    awaited = _read(ground)
    if awaited is None or awaited.boot_id == boot_id():
        raise ApplianceError("conflict", "the plug was not pulled", "begin the power-cut test, then pull it")
    folder = Reports(ground.data_dir).root
    try:
        last_ns = int((folder / PULSE_FILE).read_bytes())
    except (OSError, ValueError) as error:
        give_up(ground)
        raise ApplianceError(
            "data_loss", "the pulse of this test is not readable", "take the power-cut test again"
        ) from error
    streams = [stream for stream in subject.streams if stream.records]
    booted_ns = ground.clock.now_ns() - _uptime_ns(ground)
    lines = [await _line(ground, subject, stream, last_ns, booted_ns) for stream in streams]
    faults = await _check(ground.data_dir)
    result = _result(ground, lines, faults, subject.durability_s)
    give_up(ground)
    return result


async def _line(
    ground: Ground, subject: Subject, stream: StreamSubject, last_ns: int, booted_ns: int
) -> Line:
    now_ns = ground.clock.now_ns()
    span = {"start_time": rfc3339(last_ns - BACK_NS), "end_time": rfc3339(now_ns), "stream": stream.stream}
    path = f"/cameras/{stream.camera_id}/recordings?{urlencode(span)}"
    spans = (await ground.daemon.ask("GET", path))["spans"]
    return judge(stream, spans, last_ns, booted_ns, subject.durability_s)


def judge(
    stream: StreamSubject, spans: list[dict[str, Any]], last_ns: int, booted_ns: int, durability_s: float
) -> Line:
    """``spans`` as ``GET …/recordings`` gives them; ``last_ns``: the last pulse."""
    recorded = [
        (nanoseconds(span["start"]), nanoseconds(span["end"]))
        for span in spans
        if span["state"] == "recorded"
    ]
    before = [
        end_ns for start_ns, end_ns in recorded if start_ns <= last_ns and end_ns <= last_ns + SECOND_NS
    ]
    after = [start_ns for start_ns, _ in recorded if start_ns > last_ns]
    if not before:
        return Line(stream.key, stream.name, "attention", "it was not recording before the cut")
    lost_s = max(0.0, (last_ns - max(before)) / SECOND_NS)
    figures = [Figure("lost at the cut", round(lost_s, 2), "s")]
    if not after:
        return Line(stream.key, stream.name, "failed", "it does not record again yet", tuple(figures))
    dark_s = (min(after) - max(before)) / SECOND_NS
    back_s = (min(after) - booted_ns) / SECOND_NS
    figures += [Figure("to recording", round(back_s, 1), "s"), Figure("dark", round(dark_s, 1), "s")]
    within = lost_s <= durability_s + TOLERANCE_S
    state: State = "failed" if not within else "attention" if back_s > SLOW_BOOT_S else "passed"
    text = (
        "recorded until the cut, and again after it"
        if within
        else f"{lost_s:.1f} s of it are lost, more than the {durability_s:g} s that may be"
    )
    return Line(stream.key, stream.name, state, text, tuple(figures))


def _result(ground: Ground, lines: list[Line], faults: str, durability_s: float) -> Result:
    states = {line.state for line in lines}
    state: State = (
        "failed" if faults or "failed" in states else "attention" if states - {"passed"} else "passed"
    )
    lost = [value for line in lines if (value := line.figure("lost at the cut")) is not None]
    back = [value for line in lines if (value := line.figure("to recording")) is not None]
    text = f"{sum(line.state == 'passed' for line in lines)} of {len(lines)} streams came through."
    if lost:
        text += f" At most {max(lost):.1f} s were lost ({durability_s:g} s may be)."
    if back:
        text += f" The last one recorded {max(back):.0f} s after power came back."
    text += f" The check found: {faults}." if faults else " The check of all recordings is clean."
    hint = "" if state == "passed" else "Take the test again once all cameras record; then look at the disk."
    at = rfc3339(ground.clock.now_ns())
    figures = tuple(
        Figure(name, max(values), "s")
        for name, values in (("lost at the cut", lost), ("to recording", back))
        if values
    )
    return Result(NAME, TITLE, state, text, hint, at, figures=figures, lines=tuple(lines))


async def _check(data_dir: Path) -> str:
    """What ``appliance check`` complains of; empty where it is clean. The footers are believed."""
    command = [sys.executable, "-m", "appliance", "check", "--quick", "--data", str(data_dir)]
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, said = await asyncio.wait_for(child.communicate(), CHECK_S)
    except TimeoutError:
        child.kill()
        await child.wait()
        return "no end within 15 minutes"
    except asyncio.CancelledError:
        child.kill()
        raise
    if child.returncode == 0:
        return ""
    lines = (out or said).decode(errors="replace").splitlines()
    return "; ".join(lines[-3:]) or f"status {child.returncode}"


def _uptime_ns(ground: Ground) -> int:
    """Since the kernel began (proc_uptime(5)). What ran before it, firmware and loader, is not in it."""
    try:
        return round(float(ground.at("/proc/uptime").read_text().split()[0]) * SECOND_NS)
    except (OSError, ValueError, IndexError):
        return 0


def _read(ground: Ground) -> Awaited | None:
    try:
        return msgspec.json.decode((Reports(ground.data_dir).root / FILE).read_bytes(), type=Awaited)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
