"""The shapes of schema 1 and 2. Geometry is 0..1 of the picture, origin at the top left; times are
RFC 3339 UTC with milliseconds."""

from typing import Annotated

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.sync.protocol.batch import RowId

NEWEST = 2
SCHEMAS = (1, 2)

Centre = tuple[float, float]
Kind = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}$(?!\n)")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Box(msgspec.Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> Centre:
        return round(self.x + self.width / 2, 6), round(self.y + self.height / 2, 6)


class Source(msgspec.Struct, frozen=True):
    """``time``: when it happened, where ``created_at`` is when the box knew. ``camera_id`` empty: the
    box itself."""

    device_id: Name
    camera_id: str = ""
    time: str = ""


class Frame(msgspec.Struct, frozen=True):
    """The analysed picture, in pixels; a part that is not known is 0 or empty."""

    width: Annotated[int, msgspec.Meta(ge=0)] = 0
    height: Annotated[int, msgspec.Meta(ge=0)] = 0
    time: str = ""


class Detection(msgspec.Struct, frozen=True):
    """``previous_centre``: where it was in the observation before; None: unknown, or its first."""

    track_id: str | None
    class_name: str
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)]
    box: Box
    centre: Centre
    previous_centre: Centre | None = None


class Still(msgspec.Struct, frozen=True, omit_defaults=True):
    """Inline (``data``, base64) or by reference (``ref``: an address below the box's, or a key in the
    store)."""

    mime: str = "image/jpeg"
    ref: str | None = None
    data: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None


class Plain(msgspec.Struct, frozen=True):
    """Schema 1. ``body``: JSON in the contract's shape, as it came."""

    device_id: Name
    id: RowId
    kind: Kind
    created_at: Name
    body: msgspec.Raw


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Schema 2, in memory and on the wire."""

    schema: int = NEWEST
    device_id: Name
    id: RowId
    kind: Kind
    created_at: Name
    source: Source
    frame: Frame | None = None
    detections: tuple[Detection, ...]
    still: Still | None = None
    body: msgspec.Raw


def not_a_message(why: object) -> ApplianceError:
    return invalid(f"this is no message of a box: {why}", "see appliance/sync/envelope")
