"""What a row's body tells of camera, time and objects: events, alerts and files alike.

``metadata.frame`` (``Frame``) and ``metadata.previous_centre``: what ``alerts.record`` writes of a finding.
"""

import math
from typing import TypeVar

import msgspec

from appliance.sync.envelope.message import Box, Centre, Detection, Frame, Source, Still

_T = TypeVar("_T")


class Told(msgspec.Struct, frozen=True):
    source: Source
    frame: Frame | None = None
    detections: tuple[Detection, ...] = ()
    still: Still | None = None


class _Where(msgspec.Struct):
    """Of events, alerts and files."""

    camera_id: str = ""
    start_time: str = ""
    snapshot_url: str | None = None


class _Seen(msgspec.Struct):
    """Of events alone."""

    bbox: Box
    class_name: str
    confidence: float
    track_id: str | None = None


class _Metadata(msgspec.Struct):
    frame: Frame | None = None
    previous_centre: Centre | None = None


class _More(msgspec.Struct):
    metadata: _Metadata


def told(device_id: str, created_at: str, body: bytes) -> Told:
    """A part of the body that has another shape than the contract's tells nothing; it travels whole
    in any case."""
    where = _read(body, _Where) or _Where()
    seen, more = _read(body, _Seen), _read(body, _More)
    metadata = more.metadata if more else _Metadata()
    return Told(
        Source(device_id, where.camera_id, where.start_time or created_at),
        metadata.frame,
        () if seen is None else _detections(seen, metadata),
        None if where.snapshot_url is None else Still(ref=where.snapshot_url),
    )


def _detections(seen: _Seen, metadata: _Metadata) -> tuple[Detection, ...]:
    if not 0 <= seen.confidence <= 1 or not all(map(math.isfinite, seen.bbox.centre)):
        return ()
    previous = metadata.previous_centre
    return (
        Detection(seen.track_id, seen.class_name, seen.confidence, seen.bbox, seen.bbox.centre, previous),
    )


def _read(body: bytes, type_: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
