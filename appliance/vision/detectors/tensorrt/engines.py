"""The cache of engines: one file each, sealed, named by what it was built from.

A file: ``MAGIC``, the header's size (u32, little endian), the header (JSON: key, size and SHA-256 of
what follows), the engine. Nothing here knows TensorRT.
"""

import hashlib
import os
import struct
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from appliance.base.durable import fsync_folder
from appliance.base.errors import ApplianceError
from appliance.vision.detectors.failures import Unbuilt

MAGIC: Final = b"ARIESENG"
KEPT = 6  # engines: three models in two precisions; a Jetson's takes minutes to build and some 20 MB
LARGEST_HEADER_BYTES = 4096
AGAIN = "it is built again by itself; at once: appliance models build"
RECIPE = 1  # of ``build``: count it up whenever the same inputs shall make another engine
_SIZE: Final = struct.Struct("<I")
_SUFFIX = ".engine"


class Origin(msgspec.Struct, frozen=True):
    """What the reader of an engine must match. ``compute_capability``: ``8.7``; ``any``: built without
    a GPU. ``version`` is TensorRT's."""

    model_sha256: str
    flavour: str
    version: str
    compute_capability: str
    dla: bool = False
    recipe: int = RECIPE


class Key(msgspec.Struct, frozen=True):
    """``precision`` (``fp32``, ``fp16``, ``int8`` ...) is read from the graph, ``shapes`` is the range
    of batch sizes that it was built for: ``1-8-32``, or ``1`` where the model has no other."""

    origin: Origin
    precision: str
    shapes: str


class _Header(msgspec.Struct, frozen=True):
    key: Key
    size_bytes: int
    sha256: str


def place(cache_dir: Path, key: Key) -> Path:
    return cache_dir / f"{_stem(key.origin)}-{key.precision}-{key.shapes}{_SUFFIX}"


def find(cache_dir: Path, origin: Origin) -> Path | None:
    """The newest engine for ``origin``, by name; ``read`` looks inside."""
    found = cache_dir.glob(f"{_stem(origin)}-*{_SUFFIX}")
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def read(path: Path, origin: Origin) -> tuple[Key, bytes]:
    """The key and the engine. Raises ``Unbuilt`` (``data_loss``) for a file that is truncated, changed, not
    ours, or built for another model, library or chip."""

    def refused(why: str) -> Unbuilt:
        return Unbuilt("data_loss", f"the engine {path.name} {why}", AGAIN)

    try:
        data = path.read_bytes()
    except OSError as error:
        raise refused(f"cannot be read: {error.strerror}") from error
    begin = len(MAGIC) + _SIZE.size
    if len(data) < begin or not data.startswith(MAGIC):
        raise refused("is not an engine of this box")
    (size,) = _SIZE.unpack_from(data, len(MAGIC))
    if size > LARGEST_HEADER_BYTES:
        raise refused("has a damaged header")
    try:
        header = msgspec.json.decode(data[begin : begin + size], type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused("has a damaged header") from error
    body = data[begin + size :]
    if len(body) != header.size_bytes:
        raise refused(f"is cut short: {len(body)} of {header.size_bytes} bytes")
    if hashlib.sha256(body).hexdigest() != header.sha256:
        raise refused("is damaged: its SHA-256 is another")
    if header.key.origin != origin:
        raise refused("was built for another model, library or chip")
    return header.key, body


def write(cache_dir: Path, key: Key, engine: bytes) -> Path:
    """Whole or not at all. Raises ``exhausted`` where the disk takes no more."""
    header = msgspec.json.encode(_Header(key, len(engine), hashlib.sha256(engine).hexdigest()))
    path = place(cache_dir, key)
    try:
        put(path, b"".join((MAGIC, _SIZE.pack(len(header)), header, engine)))
    except OSError as error:
        raise ApplianceError(
            "exhausted", f"the engine cannot be kept: {error.strerror}", f"free some space below {cache_dir}"
        ) from error
    return path


def put(path: Path, data: bytes) -> None:
    """Atomically: the file is the old one or the new one after a power cut, never a torn one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def seal(path: Path, data: bytes) -> None:
    """Keep what is a help and no more (a timing cache): behind its SHA-256, and not at any price."""
    try:
        put(path, hashlib.sha256(data).digest() + data)
    except OSError:
        pass  # the disk is full: the next build measures again


def unseal(path: Path) -> bytes:
    """What ``seal`` kept; nothing where it is not there or not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return b""
    return data[32:] if hashlib.sha256(data[32:]).digest() == data[:32] else b""


def touch(path: Path) -> None:
    """It was asked for just now: the last to go."""
    os.utime(path)


def prune(cache_dir: Path, kept: int = KEPT) -> list[Path]:
    """Remove all but the ``kept`` engines that were asked for last, and what a killed build left."""
    for left in cache_dir.glob(".new-*"):
        left.unlink(missing_ok=True)
    engines = sorted(
        cache_dir.glob(f"*{_SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True
    )
    for path in engines[kept:]:
        path.unlink(missing_ok=True)
    return engines[kept:]


def _stem(origin: Origin) -> str:
    """Readable by whoever lists the folder; the header has the whole of it."""
    chip = f"{origin.compute_capability}{'+dla' if origin.dla else ''}"
    return f"{origin.model_sha256[:16]}-{origin.flavour}-{origin.version}-{chip}-r{origin.recipe}"
