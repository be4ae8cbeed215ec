"""Files, in chunks that may be cut anywhere. What has arrived is in order, without a hole, and can be
watched: an MP4 has its index in front.

The row's id is the upload's. The box says what it will send (``Manifest``); the hub says how much of
exactly that it has; chunks follow from there, each at the offset where the one before ended, of any size
up to ``LARGEST_CHUNK_BYTES``. A chunk is taken whole, and its hash fits, or not at all. The hub
acknowledges the row by ``state = complete``, once the whole file's hash fits.

Another manifest under the same id (the footage was cut differently after a loss) starts anew, unless the
upload is complete: then it is 409.
"""

from typing import Annotated, Literal

import msgspec

from appliance.sync.protocol.batch import FileBody

LARGEST_CHUNK_BYTES = 8 << 20
LARGEST_FILE_BYTES = 4 << 30
CHUNK_HASH = "X-Chunk-SHA256"  # hex; the header of a chunk

Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class Manifest(msgspec.Struct, frozen=True):
    kind: Literal["still", "small_clip", "clip", "sample"]
    created_at: str
    file: FileBody
    size_bytes: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_FILE_BYTES)]
    sha256: Hex
    mime: Literal["image/jpeg", "video/mp4"]


class UploadState(msgspec.Struct, frozen=True):
    """``received_bytes``: from the start, without a hole. A chunk at another offset: 409 with the error's
    ``field`` = ``offset`` and this beside it as ``upload``; a chunk that is already there: 200, nothing
    written twice. ``broken``: all came and the whole file's hash does not fit; the hub has thrown it
    away, send it again from 0."""

    id: str
    state: Literal["partial", "complete", "broken"]
    received_bytes: int
    size_bytes: int
