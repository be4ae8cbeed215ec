"""Real footage and the real detector for the demo, where they can be had.

First from folders that a person names (``assets_path``), matched by content; then from the place
each is pinned to. A download runs in a thread that nothing waits for; one that failed is not
tried again for a day, so that a box without a network starts as quickly as any other.
"""

import asyncio
import hashlib
import http.client
import logging
import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError

log = logging.getLogger(__name__)

CONNECT_S = 10.0
FORGET_FAILURE_NS = 86_400 * SECOND_NS
CHUNK_BYTES = 1 << 16
DEPTH = 3  # folders below an assets folder that are looked into

Progress = Callable[[int, int], None]  # bytes done, bytes in all


class Asset(msgspec.Struct, frozen=True):
    """One pinned file. ``sha256`` decides, wherever it comes from."""

    name: str
    sha256: str
    bytes_: int
    url: str
    licence: str


def _github(repository: str, commit: str, path: str) -> str:
    return f"https://github.com/{repository}/raw/{commit}/{path}"


MODEL = Asset(
    "deimv2_hgnetv2_femto_coco.onnx",
    "c6ad358f750132b891165e034c2ba507abefc5ebe1c1d2732a0acbcacc47e52c",
    4_116_144,
    _github(
        "Kazuhito00/DEIMv2-ONNX-Sample",
        "f88d4382abca74edb26ed4c7f46190ac40da0ea5",
        "model/deimv2_hgnetv2_femto_coco.onnx",
    ),
    "Apache-2.0",
)
FOOTAGE = Asset(
    "one-by-one-person-detection.mp4",
    "a5964aa259099a482a8b360ffc2c57b5a30f84d5919236a4dad01f8e929ac07c",
    3_291_918,
    _github(
        "intel-iot-devkit/sample-videos",
        "57978890822836f2b4743852f04f62fc511757e4",
        "one-by-one-person-detection.mp4",
    ),
    "CC-BY-4.0 Intel",
)


class Failure(msgspec.Struct, frozen=True):
    """What is remembered of a download that failed."""

    time_ns: int
    reason: str


class Assets:
    """``folders`` are looked through, ``cache_dir`` also keeps what was downloaded."""

    def __init__(self, folders: Sequence[Path], cache_dir: Path, clock: Clock) -> None:
        self._folders = (cache_dir, *folders)
        self._cache_dir = cache_dir
        self._clock = clock

    def find(self, asset: Asset) -> Path | None:
        """A file with exactly this content, under any name. Only files of its size are hashed."""
        for folder in self._folders:
            for path in _files(folder, DEPTH):
                try:
                    if path.stat().st_size == asset.bytes_ and sha256(path) == asset.sha256:
                        return path
                except OSError:
                    continue
        return None

    def failure(self, asset: Asset) -> str | None:
        """Why it is not worth trying now; None where a download may be tried."""
        try:
            failed = msgspec.json.decode(self._mark(asset).read_bytes(), type=Failure)
        except (OSError, msgspec.MsgspecError):
            return None
        age_ns = self._clock.now_ns() - failed.time_ns
        return failed.reason if 0 <= age_ns < FORGET_FAILURE_NS else None

    async def fetch(self, asset: Asset, progress: Progress | None = None) -> Path:
        """``find``, else ``download`` in a thread that the end of the process does not wait for.

        Raises ``unavailable`` (offline, or failed within the last day) or ``data_loss``.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Path] = loop.create_future()
        stop = threading.Event()

        def settle(path: Path | None, error: Exception | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            elif path is not None:
                done.set_result(path)

        def work() -> None:
            path, failed = None, None
            try:
                path = self.find(asset) or self.download(asset, progress, stop)
            except Exception as error:  # whatever it is, it is raised where somebody waits for us
                failed = error
            try:
                loop.call_soon_threadsafe(settle, path, failed)
            except RuntimeError:
                pass  # the loop is gone: nobody is interested any more

        threading.Thread(target=work, name=f"fetch-{asset.name}", daemon=True).start()
        try:
            return await done
        finally:
            stop.set()

    def download(self, asset: Asset, progress: Progress | None, stop: threading.Event) -> Path:
        """Blocks. The file appears in the cache folder whole and checked, or not at all."""
        reason = self.failure(asset)
        if reason is not None:
            hint = "it is tried again a day after the failure; or put the file into APPLIANCE_ASSETS_PATH"
            raise ApplianceError("unavailable", f"{asset.name} could not be had: {reason}", hint)
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        partial = self._cache_dir / f".{asset.name}.part"
        try:
            digest = _receive(asset, partial, progress, stop)
            if digest != asset.sha256:
                raise ApplianceError("data_loss", f"{asset.name} is not the pinned file", "report this")
            target = self._cache_dir / asset.name
            partial.rename(target)
            self._mark(asset).unlink(missing_ok=True)
            return target
        except (OSError, http.client.HTTPException, ApplianceError) as error:
            if stop.is_set():
                raise ApplianceError("unavailable", f"{asset.name}: the download was given up") from error
            reason = _reason(error)
            self._mark(asset).write_bytes(msgspec.json.encode(Failure(self._clock.now_ns(), reason)))
            if isinstance(error, ApplianceError):
                raise
            raise ApplianceError(
                "unavailable",
                f"{asset.name} could not be had: {reason}",
                "connect the box, or put it into a folder of APPLIANCE_ASSETS_PATH",
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def _mark(self, asset: Asset) -> Path:
        return self._cache_dir / f".{asset.name}.failed"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bar(name: str) -> Progress:
    """A progress bar on a terminal, four lines elsewhere; on stderr."""
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // max(total, 1)
        if sys.stderr.isatty() and percent != shown:
            filled = "#" * (percent // 4)
            end = "\n" if done >= total else ""
            sys.stderr.write(f"\r{name} [{filled:25s}] {percent:3d} %{end}")
            sys.stderr.flush()
        elif not sys.stderr.isatty() and percent // 25 != shown // 25:
            sys.stderr.write(f"{name}: {percent} % of {total / 1e6:.1f} MB\n")
        shown = percent

    return show


def _receive(asset: Asset, partial: Path, progress: Progress | None, stop: threading.Event) -> str:
    if not asset.url.startswith("https://"):
        raise ApplianceError("invalid", f"{asset.name} is not pinned to an https address")
    digest, done = hashlib.sha256(), 0
    request = urllib.request.Request(asset.url, headers={"User-Agent": "aries-edge"})  # noqa: S310 - https, above
    with urllib.request.urlopen(request, timeout=CONNECT_S) as answer, partial.open("wb") as file:  # noqa: S310
        while chunk := answer.read(CHUNK_BYTES):
            if stop.is_set() or done > asset.bytes_:
                break
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, asset.bytes_)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({error.reason})"
    return str(error) or type(error).__name__


def _files(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_file():
            yield Path(entry.path)
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), depth - 1)
