"""What is signed: everything in a bundle, by size and hash. Paths are not in it: they follow from ids."""

import hashlib
import re
from typing import Annotated, Final, Literal

import msgspec

from appliance.sync.protocol.batch import MOST_ROWS, RowId
from appliance.sync.protocol.upload import LARGEST_FILE_BYTES, Hex

CONTEXT: Final = b"aries-edge bundle 1\n"
FORMAT: Final = 1
TOP: Final = "aries"
MANIFEST, SIGNATURE, ROWS, FILES = "manifest.json", "manifest.sig", "rows.jsonl", "files"
PARTIAL: Final = ".partial-"
LONGEST_MANIFEST_BYTES: Final = 1_000_000
LONGEST_ROWS_BYTES: Final = 64_000_000
ENDINGS: Final = {"image/jpeg": ".jpg", "video/mp4": ".mp4"}

DEVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{24}")


class FileEntry(msgspec.Struct, frozen=True):
    """``row_id``: of the row in ``rows.jsonl`` that owes this file."""

    row_id: RowId
    mime: Literal["image/jpeg", "video/mp4"]
    size_bytes: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_FILE_BYTES)]
    sha256: Hex

    @property
    def name(self) -> str:
        return f"{self.row_id}{ENDINGS[self.mime]}"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal[1] = FORMAT
    device_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]
    created_at: str  # of its first row
    rows: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)]
    rows_bytes: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_ROWS_BYTES)]
    rows_sha256: Hex
    files: Annotated[tuple[FileEntry, ...], msgspec.Meta(max_length=MOST_ROWS)] = ()

    @property
    def day(self) -> str:
        return self.created_at[:10]

    @property
    def name(self) -> str:
        """Follows from what is in it."""
        stamp = self.created_at[:19].replace("-", "").replace(":", "")
        parts = (self.rows_sha256, *(each.sha256 for each in self.files))
        return f"{stamp}Z-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:24]}"


def signed_text(manifest: bytes) -> bytes:
    return CONTEXT + manifest
