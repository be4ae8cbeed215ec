"""Is the ring's disk fast and large enough: written in the ring's own pattern, beside the recording.

One file per stream grows by what the stream brings in a second; then all are synced, as a volume does each
second (house: hand-offs). Not more than ``MOST_BYTES`` and a hundredth of the free space is written, and
after each round the disk is left alone for as long as the round took.
"""

import asyncio
import contextlib
import os
import shutil
import threading
from pathlib import Path
from urllib.parse import urlencode

from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.settings import RetentionSettings
from appliance.system.disk import usage
from provisioning.ground import Ground
from provisioning.report.document import Figure, Line, Result, State
from provisioning.step import Say
from provisioning.steps.acceptance.proofs import Asked
from provisioning.steps.acceptance.proofs import cameras as cameras_proof
from provisioning.steps.acceptance.subject import StreamSubject, Subject

NAME, TITLE = "disk", "Disk"
FOLDER = ".acceptance"  # VOLUME/.acceptance: no camera's id begins with a dot
ROUNDS = 8
MOST_BYTES = 64_000_000
FREE_SHARE = 0.01
LEAST_BYTES = 1_000_000  # of one round: less measures the system call
SPARE = 3.0  # times as fast as is needed: other readers, a rebuild, an old disk
SLOW_SHARE = 0.5  # of durability_s: a sync that takes longer leaves no room for a second one
DAY_S = 86_400
LONGEST_LOOK_NS = 399 * DAY_S * SECOND_NS


class Speed:
    """``slowest_s``: the slowest round, each of at least what one second of all streams brings."""

    def __init__(self, bytes_: int, seconds: float, slowest_s: float) -> None:
        self.bytes_, self.seconds, self.slowest_s = bytes_, seconds, slowest_s

    @property
    def bytes_per_s(self) -> float:
        return self.bytes_ / self.seconds if self.seconds else 0.0


async def run(ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
    at = rfc3339(ground.clock.now_ns())
    needs = needed(subject, asked.before.get(cameras_proof.NAME))
    total_bps = sum(needs.values())
    if not total_bps or not subject.volumes:
        hint = "Add a camera that records, then test again."
        return Result(
            NAME, TITLE, "not_done", "Nothing is recorded yet: what is needed is not known.", hint, at
        )
    lines, rooms = [], 0.0
    for volume in subject.volumes:
        say(f"Writing to {volume} for some seconds, as the recording does")
        try:
            speed = await asyncio.to_thread(measure, volume, list(needs.values()), ground.clock)
        except OSError as error:
            lines.append(Line(str(volume), volume.name, "failed", f"cannot be written: {error.strerror}"))
            continue
        lines.append(judge(volume, speed, total_bps, subject.durability_s))
        rooms += _room(volume, subject.settings.retention)
    recorded = await _recorded(ground, subject)
    days = days_of_ring(rooms, recorded, subject.settings.retention.max_bytes, total_bps)
    return _result(at, lines, days, total_bps, subject.settings.retention.days)


def needed(subject: Subject, measured: Result | None) -> dict[str, float]:
    """Bits per second of each stream that is recorded: as measured, else as the daemon counts them."""
    found: dict[str, float] = {}
    lines = {line.of: line for line in measured.lines} if measured else {}
    for stream in subject.streams:
        line = lines.get(stream.key)
        kbps = line.figure("bit rate") if line else None
        bps = kbps * 1000 if kbps is not None else stream.bitrate_bps
        if stream.records and bps:
            found[stream.key] = float(bps)
    return found


def measure(volume: Path, needs_bps: list[float], clock: Clock) -> Speed:
    """Blocks. Leaves nothing behind, also where an earlier try was cut short. Raises ``OSError``."""
    folder = volume / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    bound = min(MOST_BYTES, int(usage(volume).free_bytes * FREE_SHARE))
    per_second = [max(1, round(bps / 8)) for bps in needs_bps]
    scale = max(1.0, LEAST_BYTES / sum(per_second))
    rounds = max(1, min(ROUNDS, int(bound / (sum(per_second) * scale))))
    folder.mkdir(mode=0o700)
    try:
        with contextlib.ExitStack() as stack:
            files = [_open(stack, folder / str(number)) for number in range(len(per_second))]
            took = []
            for _ in range(rounds):
                took.append(_round(files, [round(size * scale) for size in per_second], clock))
                threading.Event().wait(took[-1])  # half of the disk's time stays the recording's
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    written = round(sum(per_second) * scale) * rounds
    return Speed(written, sum(took), max(took))


def _open(stack: contextlib.ExitStack, path: Path) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    stack.callback(os.close, descriptor)
    return descriptor


def _round(files: list[int], sizes: list[int], clock: Clock) -> float:
    # Random bytes, made before the clock runs: a disk that compresses must not look fast.
    blocks = [os.urandom(size) for size in sizes]
    began_ns = clock.monotonic_ns()
    for descriptor, block in zip(files, blocks, strict=True):
        os.write(descriptor, block)
    for descriptor in files:
        os.fdatasync(descriptor)
    return max(1, clock.monotonic_ns() - began_ns) / SECOND_NS


def judge(volume: Path, speed: Speed, total_bps: float, durability_s: float) -> Line:
    need = total_bps / 8
    ratio = speed.bytes_per_s / need
    too_slow = ratio < 1 or speed.slowest_s > durability_s
    state: State = (
        "failed"
        if too_slow
        else "attention"
        if ratio < SPARE or speed.slowest_s > SLOW_SHARE * durability_s
        else "passed"
    )
    text = f"written and synced {ratio:.0f} times as fast as is needed"
    figures = (
        Figure("disk speed", round(speed.bytes_per_s / 1e6, 1), "MB/s"),
        Figure("slowest sync", round(speed.slowest_s * 1000), "ms"),
        Figure("written", round(speed.bytes_ / 1e6, 1), "MB"),
    )
    return Line(str(volume), volume.name, state, text, figures)


def days_of_ring(room_bytes: float, recorded: int, most_bytes: int | None, total_bps: float) -> float:
    """Days until the oldest is overwritten: what is free and what is recorded, less the reserve."""
    room = room_bytes + recorded
    room = min(room, most_bytes) if most_bytes is not None else room
    return max(0.0, room) / (total_bps / 8 * DAY_S)


def _room(volume: Path, retention: RetentionSettings) -> float:
    found = usage(volume)
    reserve = max(retention.reserve_percent / 100 * found.total_bytes, retention.reserve_bytes)
    return found.free_bytes - reserve


async def _recorded(ground: Ground, subject: Subject) -> int:
    """Bytes in the ring."""

    async def one(stream: StreamSubject) -> int:
        now_ns = ground.clock.now_ns()
        span = {"start_time": rfc3339(now_ns - LONGEST_LOOK_NS), "end_time": rfc3339(now_ns)}
        query = urlencode(span | {"stream": stream.stream})
        found = await ground.daemon.ask("GET", f"/cameras/{stream.camera_id}/recordings?{query}")
        return int(found["bytes"])

    return sum([await one(stream) for stream in subject.streams])


def _result(at: str, lines: list[Line], days: float, total_bps: float, wanted_days: float) -> Result:
    states = {line.state for line in lines}
    is_short = days < wanted_days
    state: State = (
        "failed" if "failed" in states else "attention" if is_short or states != {"passed"} else "passed"
    )
    text = f"The ring holds {days:.1f} days at {total_bps / 1e6:.1f} Mbit/s"
    text += f", less than the {wanted_days:g} that are wanted." if is_short else "."
    hint = ""
    if state != "passed":
        hint = (
            "Take a larger disk, fewer days or a lower bit rate."
            if states == {"passed"}
            else "Look at the disk's health, or take a faster one."
        )
    figures = (
        Figure("days of ring", round(days, 2), "days"),
        Figure("needed", round(total_bps / 1e6, 2), "Mbit/s"),
    )
    return Result(NAME, TITLE, state, text, hint, at, figures=figures, lines=tuple(lines))
