"""A segment: one file that is a playable fragmented MP4 at every moment (R1).

Layout: ftyp, moov, uuid(head), (moof, mdat)*, uuid(footer). Head and footer are JSON in ``uuid``
boxes (ISO/IEC 14496-12, 4.2); players skip them. Together they are enough to make the index row
again. A torn tail is cut back to the last whole fragment by ``mend``.
"""

import errno
import hashlib
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.base.model import GapCause, Segment
from appliance.media.fragment import VIDEO_TRACK, Fragment
from appliance.media.mp4 import boxes, h26x
from appliance.media.mp4.fragmenter import ns_from_90k

HEAD = uuid.UUID("9b8f0f9e-4a0c-5f6e-8d7f-0a41d1e55e61")
FOOTER = uuid.UUID("9b8f0f9e-4a0c-5f6e-8d7f-0a41d1e55e62")


class Head(msgspec.Struct, frozen=True):
    """Why this file exists. ``anchor_ns`` is the wall time of tick 0 of the run's timeline."""

    camera_id: str
    stream: str
    boot_id: str
    run_id: str
    sequence: int
    start_ns: int
    anchor_ns: int
    codec: str
    width: int
    height: int
    time_unsure: bool
    version: int = 1


class Start(NamedTuple):
    """What stands before the first fragment, which begins at ``offset``."""

    head: Head
    init: bytes
    offset: int


def parse_start(data: bytes) -> Start | None:
    """Of a file's first bytes; None where they are not, or not yet, those of a segment."""
    init_end = 0
    for item in boxes.walk(data):
        at, end = item.offset + item.header, item.offset + item.size
        if item.kind == b"moov":
            init_end = end
        elif item.kind == b"uuid" and data[at : at + 16] == HEAD.bytes:
            try:
                return Start(msgspec.json.decode(data[at + 16 : end], type=Head), data[:init_end], end)
            except msgspec.MsgspecError:
                return None
    return None


class Key(NamedTuple):
    """A key frame: box-clock time, byte offset of its moof, ticks inside the run."""

    time_ns: int
    offset: int
    pts_90k: int


class Footer(msgspec.Struct, frozen=True):
    """``sha256`` (hex) covers every byte before the footer box."""

    end_ns: int
    frames: int
    keys: list[Key]
    sha256: str
    mended: bool = False


class DiskFault(Exception):
    """A segment could not be written. ``cause`` is what the ledger will say."""

    def __init__(self, cause: GapCause, text: str) -> None:
        super().__init__(text)
        self.cause: GapCause = cause


def fault_from(error: OSError) -> DiskFault:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFault("disk_full", "the volume is full")
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR, errno.ESTALE):
        return DiskFault("disk_missing", "the volume is gone")
    reason = os.strerror(error.errno or errno.EIO)
    return DiskFault("disk_error", f"the volume does not take writes: {reason}")


class SegmentWriter:
    """Belongs to one stream thread until ``finish``; then to the volume's thread.

    ``durable`` (bytes, end_ns) is set by the volume's thread after each fdatasync.
    """

    def __init__(self, volume_id: str, root: Path, head: Head, init: bytes) -> None:
        self.head = head
        self.volume_id = volume_id
        self.init_sha256 = hashlib.sha256(init).hexdigest()
        self._prefix = init + boxes.uuid_box(HEAD, msgspec.json.encode(head))
        self.path, self.new_dirs, self.fd = _create(root, head)
        self.relative = str(self.path.relative_to(root))
        self._hash = hashlib.sha256()
        self._keys: list[Key] = []
        self.frames = 0
        self.size_bytes = 0
        self.end_ns = head.start_ns
        self.progress: tuple[int, int] = (0, head.start_ns)  # (bytes, end_ns), set as one
        self.durable: tuple[int, int] = (0, head.start_ns)
        self.fault: DiskFault | None = None
        self.row: Segment | None = None

    @property
    def keys(self) -> list[Key]:
        """The key frames so far; a copy, for readers in other threads."""
        return self._keys.copy()

    def write(self, fragment: Fragment, end_ns: int) -> None:
        """Append one fragment; ``end_ns`` is when its last sample ends. Raises ``DiskFault``."""
        if self.fault is not None:
            raise self.fault
        parts = (fragment.head, fragment.body)
        if self.size_bytes == 0:
            parts = (self._prefix + fragment.head, fragment.body)
        size = len(parts[0]) + len(parts[1])
        at = self.size_bytes + (len(self._prefix) if self.size_bytes == 0 else 0)
        try:
            written = os.writev(self.fd, parts)
            if written != size:
                self._write_rest(b"".join(parts)[written:])
        except OSError as error:
            self._cut_back()
            raise fault_from(error) from error
        for part in parts:
            self._hash.update(part)
        self.size_bytes += size
        if fragment.track == VIDEO_TRACK:
            self.frames += 1
            self.end_ns = max(self.end_ns, end_ns)
            if fragment.is_key:
                time_ns = self.head.anchor_ns + ns_from_90k(fragment.pts_90k)  # as ``scan`` finds it
                self._keys.append(Key(time_ns, at, fragment.pts_90k))
        self.progress = (self.size_bytes, self.end_ns)

    def finish(self, end_ns: int) -> None:
        """Write the footer and make the row. The volume's thread syncs and closes.

        A footer that does not fit is left out: recovery makes it when there is room.
        """
        self.end_ns = end_ns
        digest = self._hash.hexdigest()
        footer = boxes.uuid_box(FOOTER, msgspec.json.encode(Footer(end_ns, self.frames, self._keys, digest)))
        try:
            written = os.write(self.fd, footer)
            if written != len(footer):
                self._write_rest(footer[written:])
        except OSError as error:
            self._cut_back()
            raise fault_from(error) from error
        self.size_bytes += len(footer)
        self.progress = (self.size_bytes, end_ns)
        self.row = row_of(self.head, self.volume_id, self.relative, end_ns, self.size_bytes, self.frames,
                          digest, self.init_sha256)  # fmt: skip

    def _write_rest(self, rest: bytes) -> None:
        while rest:
            rest = rest[os.write(self.fd, rest) :]

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self.fd, self.size_bytes)
            os.lseek(self.fd, self.size_bytes, os.SEEK_SET)
        except OSError:
            pass  # the disk is gone; recovery cuts the tail when it is back


def row_of(
    head: Head, volume_id: str, path: str, end_ns: int, size: int, frames: int, sha256: str, init_sha256: str
) -> Segment:
    return Segment(
        camera_id=head.camera_id,
        stream=head.stream,
        boot_id=head.boot_id,
        run_id=head.run_id,
        sequence=head.sequence,
        volume_id=volume_id,
        path=path,
        start_ns=head.start_ns,
        end_ns=end_ns,
        bytes_=size,
        sha256=sha256,
        codec=head.codec,
        width=head.width,
        height=head.height,
        frames=frames,
        init_sha256=init_sha256,
        time_unsure=head.time_unsure,
    )


def _create(root: Path, head: Head) -> tuple[Path, list[Path], int]:
    """Create the file O_EXCL; ``-1``, ``-2`` ... on collision. Also: directories to fsync."""
    seconds, rest_ns = divmod(head.start_ns, SECOND_NS)
    stamp = datetime.fromtimestamp(seconds, UTC)
    folder = root / head.camera_id / head.stream / f"{stamp:%Y-%m-%d}" / f"{stamp:%H}"
    touched: list[Path] = [folder]
    try:
        probe = folder
        while not probe.exists() and probe != root:
            probe = probe.parent
            touched.append(probe)
        if not root.is_dir():
            raise FileNotFoundError(errno.ENOENT, "volume root is gone")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{stamp:%Y%m%dT%H%M%S}.{rest_ns // 1_000_000:03d}Z"
        for number in range(1000):
            path = folder / (f"{name}.mp4" if number == 0 else f"{name}-{number}.mp4")
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            except FileNotFoundError:
                # Retention has just taken out the empty folder; or the disk is gone, and this says so.
                if not root.is_dir():
                    raise
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                touched = [folder, *folder.parents][: len(folder.relative_to(root).parts) + 1]
                continue
            return path, touched, descriptor
    except OSError as error:
        raise fault_from(error) from error
    raise DiskFault("disk_error", "a thousand segments want the same name")


def parameters_codec(codec: str) -> h26x.Codec:
    """``avc1.640028`` -> ``h264``."""
    return "h264" if codec.startswith("avc") else "hevc"
