"""A tracker's memory as bytes, so that a parked car is the same car after a restart.

Plain structs with a version and a check sum. What is damaged, strange or of another version is
refused as a whole: half a memory would give one object two identities, and the price of none is one
new track per object.
"""

import math
import zlib
from typing import Any, Final

import msgspec

from appliance.base.errors import ApplianceError
from appliance.vision.tracking.table import TRACK

VERSION: Final = 1
MOST_TRACKS = 1000
FIELDS: Final = tuple(name for name in TRACK.names or () if name != "number")  # as ``SavedTrack`` has them

Four = tuple[float, float, float, float]


class SavedTrack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table (``table.TRACK``), its id ("" before it is confirmed) and its votes."""

    track_id: str
    votes: dict[str, float]
    confirmed: bool
    disturbed: bool
    hits: int
    score: float
    time_ns: int
    unseen_s: float
    box: Four
    first_ns: int
    first_score: float
    first_box: Four
    still_ns: int
    still_box: Four
    place: Four
    speed: tuple[float, float]
    spread: Four

    def __post_init__(self) -> None:
        numbers = (*self.place, *self.speed, *self.spread, self.unseen_s, *self.votes.values())
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("a number that is none")
        for x1, y1, x2, y2 in (self.box, self.first_box, self.still_box):
            if not (-0.01 <= x1 < x2 <= 1.01 and -0.01 <= y1 < y2 <= 1.01):
                raise ValueError("a box outside of the picture")
        if min(self.place[2:]) <= 0 or min(self.spread[0], *self.spread[2:], self.unseen_s) < 0:
            raise ValueError("a size or a variance below zero")
        if not (0 <= self.score <= 1 and 0 <= self.first_score <= 1 and self.hits > 0 and self.votes):
            raise ValueError("a score out of range, or a track that nobody saw")
        if bool(self.track_id) != self.confirmed or max(self.time_ns, self.first_ns, self.still_ns) >= 2**63:
            raise ValueError("an id too many or too few, or a time beyond all clocks")


class SavedTracks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    camera_id: str
    time_ns: int | None  # of the last frame
    tracks: list[SavedTrack]

    def __post_init__(self) -> None:
        ids = [track.track_id for track in self.tracks if track.track_id]
        if len(set(ids)) != len(ids) or len(self.tracks) > MOST_TRACKS:
            raise ValueError("two tracks of one id, or more than a camera ever had")


class _Envelope(msgspec.Struct, frozen=True):
    version: int
    check: int  # CRC-32 of ``body``
    body: bytes


def pack(memory: SavedTracks) -> bytes:
    body = msgspec.msgpack.encode(memory)
    return msgspec.msgpack.encode(_Envelope(VERSION, zlib.crc32(body), body))


def unpack(data: bytes, camera_id: str) -> SavedTracks:
    """Raises ``invalid`` for anything but what ``pack`` gave, of this version and camera."""
    try:
        envelope = msgspec.msgpack.decode(data, type=_Envelope)
        if envelope.version != VERSION or envelope.check != zlib.crc32(envelope.body):
            raise ValueError(f"version {envelope.version}, or its check sum is wrong")
        memory = msgspec.msgpack.decode(envelope.body, type=SavedTracks)
        if memory.camera_id != camera_id:
            raise ValueError("of another camera")
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise ApplianceError("invalid", f"the saved tracks cannot be used: {error}") from error
    return memory


def saved_track(row: Any, track_id: str, votes: dict[str, float]) -> SavedTrack:
    return SavedTrack(track_id, votes, **{name: row[name].tolist() for name in FIELDS})
