"""The daemon's side: a bundle comes in (screen, stick, hub), is looked at, and waits for a person's word.

Of what comes in one is kept, the newest. It is looked at as far as a process without any right can:
signature, kind of box, version; the content is checked by whoever writes it.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError, invalid
from appliance.system.sticks import PLACES, mounted
from appliance.system.update import record as records
from appliance.system.update.judging import Facts, Manifest, refusal
from appliance.system.update.rauc import Rauc
from appliance.system.update.record import MOVING, Places, Record, Wish
from appliance.system.update.release import Release

LARGEST_BYTES = 4 << 30
RESERVE_BYTES = 256 << 20  # of the disk; recording needs it more
CHUNK_BYTES = 1 << 20
ENDING = ".raucb"
FULL_HINT = "free space on the system disk, or give the box a stick with it"


class Offered(msgspec.Struct, frozen=True):
    """A bundle that waits. ``source``: screen, stick or hub. ``refused``: why it cannot be installed, empty:
    it can. ``needs_word``: it is refused for its version alone, which a person may overrule."""

    name: str
    source: str
    version: str
    size_bytes: int
    sha256: str
    at_ns: int
    refused: str = ""
    hint: str = ""
    needs_word: bool = False


class OnStick(msgspec.Struct, frozen=True):
    name: str
    folder: str
    size_bytes: int


class Inbox:
    """``watched``: folders in which sticks are mounted."""

    def __init__(
        self,
        places: Places,
        rauc: Rauc,
        release: Release,
        clock: Clock,
        watched: tuple[Path, ...] = PLACES,
        largest_bytes: int = LARGEST_BYTES,
    ) -> None:
        self._places, self._rauc, self._release, self._clock = places, rauc, release, clock
        self._watched, self._largest_bytes = watched, largest_bytes

    @property
    def release(self) -> Release:
        return self._release

    @property
    def record(self) -> Record:
        """Raises ``data_loss``."""
        return records.read(self._places)

    def offered(self) -> Offered | None:
        """None: nothing waits."""
        try:
            if not self._places.bundle.is_file():
                return None
            return msgspec.json.decode(self._note.read_bytes(), type=Offered)
        except (OSError, msgspec.DecodeError):
            return None

    def waits(self) -> bool:
        """A person's word was given; root has not taken it up yet."""
        return self._places.wish.exists()

    async def receive(
        self, chunks: AsyncIterator[bytes], size_bytes: int | None, name: str, source: str
    ) -> Offered:
        """Onto the disk as it comes, never into memory. What was cut off leaves nothing. Raises
        ``exhausted`` where it is too big or there is no room; ``conflict`` where an update is under way."""
        self._must_be_quiet()
        if (size_bytes or 0) > self._largest_bytes:
            raise self._too_big()
        self._room_for(2 * (size_bytes or 0))  # root's part copies it
        partial = self._fresh()
        try:
            with partial.open("xb") as file:
                digest, written = hashlib.sha256(), 0
                async for chunk in chunks:
                    written += len(chunk)
                    if written > self._largest_bytes:
                        raise self._too_big()
                    if written % (64 << 20) < len(chunk):
                        self._room_for(0)
                    # A disk takes what it takes, and the loop feeds the watchdog.
                    await asyncio.to_thread(_keep, file, digest, chunk)
                if size_bytes is not None and written != size_bytes:
                    raise invalid("it was cut off on the way", "send it again", field="bundle")
                await asyncio.to_thread(_flush, file)
            return await asyncio.to_thread(self._offer, partial, name, source, digest.hexdigest(), written)
        except OSError as error:
            raise ApplianceError("exhausted", f"it cannot be kept: {error.strerror}", FULL_HINT) from error
        finally:
            partial.unlink(missing_ok=True)

    def sticks(self) -> list[OnStick]:
        """Bundles in the top folder of what is mounted. Offered, never taken without a person's word."""
        found = []
        for folder in mounted(self._watched):
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.endswith(ENDING) and entry.is_file(follow_symlinks=False):
                            size = entry.stat(follow_symlinks=False).st_size
                            found.append(OnStick(entry.name, str(folder), size))
            except OSError:
                continue
        return sorted(found, key=lambda each: (each.folder, each.name))

    async def take(self, name: str, folder: str) -> Offered:
        """From a stick. Raises ``not_found`` where there is no such bundle any more."""
        wanted = next((each for each in self.sticks() if (each.name, each.folder) == (name, folder)), None)
        if wanted is None:
            raise ApplianceError("not_found", f"no bundle {name[:80]!r} on a stick", "plug it in again")
        try:
            with Path(folder, name).open("rb") as file:
                return await self.receive(_chunks(file), wanted.size_bytes, name, "stick")
        except OSError as error:
            raise ApplianceError("unavailable", f"{name}: {error.strerror}", "plug it in again") from error

    def install(self, by: str, *, allow_older: bool = False) -> Offered:
        """Somebody's word: root's part begins. Raises what is refused, ``not_found`` where nothing waits."""
        self._must_be_quiet()
        found = self.offered()
        if found is None:
            raise ApplianceError(
                "not_found", "no bundle waits here", "upload one, or plug in a stick with one"
            )
        if found.refused and not (found.needs_word and allow_older):
            raise invalid(found.refused, found.hint, field="bundle")
        text = msgspec.json.encode(Wish(found.sha256, by, allow_older))
        try:
            records.replace(self._places.wish, text)
        except OSError as error:
            raise ApplianceError("exhausted", f"it cannot begin: {error.strerror}", FULL_HINT) from error
        return found

    def clear(self) -> None:
        """What waits is thrown away. Raises ``conflict`` where it is being installed."""
        self._must_be_quiet()
        self._places.bundle.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self._places.inbox / "offered.json"

    def _must_be_quiet(self) -> None:
        try:
            moving = self.record.phase in MOVING
        except ApplianceError:
            moving = False  # a record that nobody can read stops no update
        if moving or self.waits():
            raise ApplianceError("conflict", "an update is under way", "wait until it is good, or went back")

    def _fresh(self) -> Path:
        self._places.inbox.mkdir(mode=0o700, exist_ok=True)
        partial = self._places.inbox / "coming.part"
        partial.unlink(missing_ok=True)
        return partial

    def _room_for(self, size_bytes: int) -> None:
        self._places.inbox.mkdir(mode=0o700, exist_ok=True)
        free = shutil.disk_usage(self._places.inbox).free
        if free < size_bytes + RESERVE_BYTES:
            raise ApplianceError(
                "exhausted",
                f"no room for it: {free / 1e9:.1f} GB are free, it and recording need more",
                FULL_HINT,
                field="bundle",
            )

    def _too_big(self) -> ApplianceError:
        return invalid(f"more than {self._largest_bytes / 1e9:.1f} GB is no bundle", "choose the right file")

    def _offer(self, partial: Path, name: str, source: str, sha256: str, size: int) -> Offered:
        found = self._rauc.manifest(partial)
        manifest = found if isinstance(found, Manifest) else None
        fault = "" if isinstance(found, Manifest) else found
        facts = Facts(manifest, self._release.version, self._release.compatible, signature=fault)
        refused = refusal(facts)
        overruled = refusal(facts, allow_older=True)
        offered = Offered(
            Path(name).name[:120], source, manifest.version if manifest else "", size, sha256,
            self._clock.now_ns(), refused.message if refused else "", refused.hint if refused else "",
            refused is not None and overruled is None,
        )  # fmt: skip
        if refused is not None and not offered.needs_word:
            raise refused  # what can never be installed is not kept
        partial.rename(self._places.bundle)
        records.replace(self._note, msgspec.json.encode(offered))
        return offered


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


def _keep(file: BinaryIO, digest: "hashlib._Hash", chunk: bytes) -> None:
    digest.update(chunk)
    file.write(chunk)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
