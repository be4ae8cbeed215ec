"""Files that a crash, a full disk or a failed sync left unfinished: make closed segments of them (R1).

Whatever the length a file was cut to, what is whole in it is kept: the tail is cut back to the last
whole fragment, and the footer is written that was missing.
"""

import hashlib
import os
import struct
from pathlib import Path

import msgspec

from appliance.base.durable import fsync_folder
from appliance.base.errors import ApplianceError
from appliance.base.model import Segment
from appliance.media.mp4 import boxes
from appliance.media.ring.scan import Scan, scan, scan_or_none
from appliance.media.ring.segment import FOOTER, Footer, Head, parse_start, row_of

ENDS_BYTES = 64_000  # head and footer lie within so much of a file's ends
UNREADABLE_BYTES = 64_000  # a file without a head that is larger was footage once


def mend(
    path: Path,
    volume_id: str,
    relative: str,
    *,
    at_most: int | None = None,
    end_ns: int | None = None,
    not_after_ns: int | None = None,
) -> Segment | None:
    """Make a closed segment out of an open or torn one (R1): cut the tail, hash, footer, fsync.

    Returns its row, or None where no whole fragment is left (the file is then removed). Only
    ``at_most`` bytes are known to be good; what lies behind is not trusted. ``end_ns`` is what
    the ledger says of its end, where all of ``at_most`` is there; ``not_after_ns`` where the next
    segment begins. A footer that the bytes before it do not match is made again, as ``mended``:
    a power cut may keep the end of a file and lose its middle. Raises ``data_loss`` where much was
    written and cannot be understood: that is for a person to look at.
    """
    found = scan_or_none(path)
    if found is None and path.stat().st_size > UNREADABLE_BYTES and at_most is None:
        raise ApplianceError("data_loss", f"{relative} cannot be read", "run `appliance check --repair`")
    if found is not None and found.footer is not None:
        good = not_torn(path, found) if at_most is None else at_most >= found.whole_bytes + found.footer_bytes
        if good:
            return row_of_scan(found, volume_id, relative, path)
    if found is not None and at_most is not None and found.whole_bytes > at_most:
        found = _shorter(found, at_most)
    if found is None or not found.video:
        path.unlink()
        fsync_folder(path.parent)
        return None
    if end_ns is None or (at_most is not None and found.whole_bytes < at_most):
        end_ns = found.last_ns
    if not_after_ns is not None:
        end_ns = min(end_ns, not_after_ns)
    end_ns = max(end_ns, found.head.start_ns + 1)
    with path.open("r+b") as file:
        file.truncate(found.whole_bytes)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(found.whole_bytes)
        footer = Footer(end_ns, len(found.video), found.keys, digest, mended=True)
        file.write(boxes.uuid_box(FOOTER, msgspec.json.encode(footer)))
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.parent)
    return row_of_scan(scan(path), volume_id, relative, path)


def read_head(path: Path) -> Head | None:
    """Of a file whose beginning is whole; reads no more than that."""
    try:
        with path.open("rb") as file:
            found = parse_start(file.read(ENDS_BYTES))
    except OSError:
        return None
    return found.head if found is not None else None


def not_torn(path: Path, found: Scan) -> bool:
    """The bytes before the footer are the ones that it was written for."""
    assert found.footer is not None
    return hash_of(path, found.whole_bytes) == found.footer.sha256


def hash_of(path: Path, length: int) -> str:
    """SHA-256 (hex) of the first ``length`` bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while length > 0:
            piece = file.read(min(length, 1 << 20))
            if not piece:
                break
            digest.update(piece)
            length -= len(piece)
    return digest.hexdigest()


def _shorter(found: Scan, at_most: int) -> Scan:
    video = [s for s in found.video if s.offset + s.size <= at_most]
    audio = [a for a in found.audio if a.offset + sum(a.sizes) <= at_most]
    ends = [s.offset + s.size for s in video] + [a.offset + sum(a.sizes) for a in audio]
    keys = [k for k in found.keys if k.offset < at_most][: sum(s.is_key for s in video)]
    return found._replace(video=video, audio=audio, keys=keys, whole_bytes=max(ends, default=0))


def row_of_scan(found: Scan, volume_id: str, relative: str, path: Path) -> Segment:
    """The index row of a closed file that was walked."""
    assert found.footer is not None
    return row_of_parts(found.head, found.init, found.footer, volume_id, relative, path.stat().st_size)


def row_of_parts(
    head: Head, init: bytes, footer: Footer, volume_id: str, relative: str, size: int
) -> Segment:
    """The index row of a closed file, out of its head and footer alone (R1)."""
    return row_of(
        head, volume_id, relative, footer.end_ns, size, footer.frames, footer.sha256,
        hashlib.sha256(init).hexdigest(),
    )  # fmt: skip


def quick_row(path: Path, volume_id: str, relative: str) -> Segment | None:
    """``row_of_parts`` from the two ends of a file; None where one of them is not there.

    The footer is the last box: its name is looked for from the end, its size must reach there.
    """
    try:
        with path.open("rb") as file:
            start = file.read(ENDS_BYTES)
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - ENDS_BYTES))
            tail = file.read()
        at = tail.rfind(FOOTER.bytes) - 8
        if at < 0 or struct.unpack_from(">I4s", tail, at) != (len(tail) - at, b"uuid"):
            return None
        footer = msgspec.json.decode(tail[at + 24 :], type=Footer)
    except (OSError, msgspec.MsgspecError):
        return None
    found = parse_start(start)
    if found is None:
        return None
    return row_of_parts(found.head, found.init, footer, volume_id, relative, size)
