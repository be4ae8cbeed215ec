"""How full a volume may be, and how that is told: the reserve, and the level of each volume."""

import os
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from appliance.base.settings import RetentionSettings

TOTAL_SHARE = 0.2  # of a small volume, no more than this is kept free ...
OFFER_SHARE = 0.5  # ... and of what footage and free space share, no more than this

LEAST_ROOM_BYTES = 512_000_000  # for footage, or a quarter of a small disk's reserve: less is no recording
RELIEF = 1.25  # so much more room, before it is said that there is room again

Level = Literal["ok", "low", "missing", "stuck"]
WORSE: tuple[Level, ...] = ("ok", "low", "missing", "stuck")


class Space(NamedTuple):
    """Of the file system under a volume; ``free_bytes`` is what we may use of it."""

    total_bytes: int
    free_bytes: int


class VolumeLevel(msgspec.Struct, frozen=True):
    """The watermark of one volume. ``low``: below the reserve, footage is being deleted, or ``squeezed``;
    ``stuck``: below it, and nothing more may go, or ``squeezed`` to nothing. ``room_bytes``: what footage
    and free space are together; ``squeezed``: files that are not ours leave less of it than the reserve."""

    volume_id: str
    root: str
    total_bytes: int
    free_bytes: int
    reserve_bytes: int
    level: Level
    room_bytes: int = 0
    squeezed: bool = False

    @property
    def words(self) -> str:
        if self.level == "missing":
            return f"{self.root}: not mounted"
        free, total = self.free_bytes // 1_000_000, self.total_bytes // 1_000_000
        if self.squeezed:
            left = self.room_bytes // 1_000_000
            return f"{self.root}: other files leave recordings {left} MB of {total} MB"
        return f"{self.root}: {free} MB free, {self.reserve_bytes // 1_000_000} MB wanted"


class RetentionState(msgspec.Struct, frozen=True):
    """``level`` is the worst of all volumes. ``stuck`` calls for a critical alert (R6); ``detail``
    and ``hint`` are for people. ``deleted_*`` count since the start."""

    level: Level
    since_ns: int
    volumes: tuple[VolumeLevel, ...] = ()
    detail: str = ""
    hint: str = ""
    deleted_segments: int = 0
    deleted_bytes: int = 0


def space_of(root: Path) -> Space | None:
    """None where the volume is not there."""
    try:
        found = os.statvfs(root)
    except OSError:
        return None
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def squeeze(room_bytes: int, space: Space, wanted: RetentionSettings, was_stuck: bool) -> Level:
    """What files of others make of a volume: ``low`` where they leave footage less than the reserve would
    be, ``stuck`` where they leave next to nothing: a ring of seconds that is full again and again looks
    like recording."""
    full = reserve_bytes(space, 1 << 62, wanted)
    least = min(full // 4, LEAST_ROOM_BYTES) * (RELIEF if was_stuck else 1)
    return "stuck" if room_bytes < least else "low" if room_bytes < full else "ok"


def reserve_bytes(space: Space, recorded_bytes: int, wanted: RetentionSettings) -> int:
    """How much of a volume is to stay free.

    The larger of ``reserve_percent`` and ``reserve_bytes``; but at most a fifth of the volume (2 GB
    are nothing of 4 TB, and all of a small card), and at most half of what recordings and free
    space are together: where others have filled the disk, the ring shrinks with what is left, and
    is not thrown away for a reserve that it cannot bring back.
    """
    full = max(int(space.total_bytes * wanted.reserve_percent / 100), wanted.reserve_bytes)
    offer = int((space.free_bytes + recorded_bytes) * OFFER_SHARE)
    return min(full, int(space.total_bytes * TOTAL_SHARE), offer)
