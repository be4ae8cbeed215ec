"""What a stream really was, from the very files that the recorder wrote: no frame is counted twice, none is
asked of the camera again, and nothing is decoded.

Intervals are the camera's own (media time of a run): they tell how evenly it sends, and which frames are
missing. What the network adds on the way is not in them; it shows as gaps.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.media.mp4.fragmenter import ns_from_90k
from appliance.media.ring.scan import Scan, scan_or_none

HOUR_S = 3600
TICKS_PER_S = 90_000
HOLE = 1.5  # an interval longer than this many usual ones lacks a frame


class Rhythm(msgspec.Struct, frozen=True):
    """``seconds``: sum of the intervals seen, runs apart. ``missing``: frames that would have filled the
    holes. ``jitter_ms``: how far 95 of 100 intervals lie from the usual one at most. ``key_frame_s``:
    the longest time between two key frames; None where there was only one."""

    frames: int
    bytes_: int
    seconds: float
    missing: int
    usual_ms: float
    jitter_ms: float
    longest_ms: float
    key_frame_s: float | None

    @property
    def fps(self) -> float:
        """Frames per second of media time, holes included."""
        return self.frames / self.seconds if self.seconds else 0.0

    @property
    def bitrate_bps(self) -> float:
        return self.bytes_ * 8 / self.seconds if self.seconds else 0.0

    @property
    def lost_percent(self) -> float:
        whole = self.frames + self.missing
        return 100 * self.missing / whole if whole else 0.0


class Sent(msgspec.Struct, frozen=True):
    """One frame: its run, media time in ticks of 1/90 000 s, size, whether a key frame."""

    run: str
    ticks: int
    bytes_: int
    is_key: bool


def frames_on(volumes: Iterable[Path], camera_id: str, stream: str, start_ns: int, end_ns: int) -> list[Sent]:
    """Of [start_ns, end_ns), by the box clock; from all volumes. Blocks; reads the files' boxes."""
    found: list[Sent] = []
    for path in _files(volumes, camera_id, stream, start_ns, end_ns):
        seen = scan_or_none(path)
        if seen is not None:
            found += _inside(seen, start_ns, end_ns)
    return sorted(found, key=lambda sent: (sent.run, sent.ticks))


def rhythm_of(frames: list[Sent]) -> Rhythm | None:
    """None where there are fewer than two frames of one run: nothing can be said."""
    steps = [
        (later.ticks - sent.ticks, later.bytes_)
        for sent, later in pairwise(frames)
        if later.run == sent.run and later.ticks > sent.ticks
    ]
    if not steps:
        return None
    intervals = sorted(ticks for ticks, _ in steps)
    usual = median(intervals)
    missing = sum(round(ticks / usual) - 1 for ticks in intervals if ticks > HOLE * usual)
    off = sorted(abs(ticks - usual) for ticks in intervals)
    keys = [frame for frame in frames if frame.is_key]
    apart = [b.ticks - a.ticks for a, b in pairwise(keys) if a.run == b.run]
    return Rhythm(
        frames=len(steps),
        bytes_=sum(size for _, size in steps),
        seconds=sum(intervals) / TICKS_PER_S,
        missing=missing,
        usual_ms=usual * 1000 / TICKS_PER_S,
        jitter_ms=off[int(0.95 * (len(off) - 1))] * 1000 / TICKS_PER_S,
        longest_ms=intervals[-1] * 1000 / TICKS_PER_S,
        key_frame_s=max(apart) / TICKS_PER_S if apart else None,
    )


def _inside(seen: Scan, start_ns: int, end_ns: int) -> list[Sent]:
    anchor_ns, run = seen.head.anchor_ns, seen.head.run_id
    return [
        Sent(run, sample.decode_90k, sample.size, sample.is_key)
        for sample in seen.video
        if start_ns <= anchor_ns + ns_from_90k(sample.pts_90k) < end_ns
    ]


def _files(
    volumes: Iterable[Path], camera_id: str, stream: str, start_ns: int, end_ns: int
) -> Iterable[Path]:
    """Files that may hold a frame of the span: their names say when they begin (house: on disk)."""
    first, last = (datetime.fromtimestamp(ns / SECOND_NS, UTC) for ns in (start_ns, end_ns))
    hours = [
        (first + timedelta(seconds=HOUR_S * number)).strftime("%Y-%m-%d/%H")
        for number in range(-1, int((last - first).total_seconds() / HOUR_S) + 2)
    ]
    for volume in volumes:
        for hour in hours:
            folder = volume / camera_id / stream / hour
            if folder.is_dir():
                paths = sorted(folder.glob("*.mp4"))
                yield from _overlapping(paths, first, last)


def _overlapping(paths: list[Path], first: datetime, last: datetime) -> Iterable[Path]:
    """A file ends where the next of its stream begins, or later by a frame."""
    starts = [_start(path) for path in paths]
    for number, path in enumerate(paths):
        begins = starts[number]
        ends = starts[number + 1] if number + 1 < len(paths) else None
        if begins is None or (begins <= last and (ends is None or ends >= first - timedelta(seconds=5))):
            yield path


def _start(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.stem.split("-")[0], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
