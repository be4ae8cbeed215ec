"""Where this box is in an update: one file, replaced whole, beside RAUC's own memory and the sector of tries.

``BOX`` is the daemon's folder (/var/lib/aries). Two folders: ``BOX/update`` belongs to the daemon: the bundle
that is offered, and the wish to install it. ``BOX-update`` belongs to root: this record, copies of the
databases, the journal of a slot that failed. The daemon reads that, and writes nothing of it.
"""

import os
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError
from appliance.system.update.boot import Slot, other

Phase = Literal["none", "writing", "switching", "trial", "going_back", "good", "back", "refused", "failed"]
MOVING: tuple[Phase, ...] = ("writing", "switching", "trial", "going_back")


class Record(msgspec.Struct, frozen=True):
    """``phase``: none (never updated) · writing (into the other slot) · switching (it is to boot next) ·
    trial (it booted, and has to prove itself) · going_back (decided, not done yet) · and how the last one
    ended: good · back (to the old slot) · refused (nothing was written) · failed (cut off or an error; the
    old slot runs). ``reason``: why, for people. ``cameras``: ids that recorded when it began. ``journal``:
    name of the failed slot's journal in the folder, empty: none. ``percent``: of writing."""

    phase: Phase = "none"
    from_slot: Slot = "A"
    from_version: str = ""
    to_version: str = ""
    cameras: tuple[str, ...] = ()
    began_ns: int = 0
    ended_ns: int = 0
    reason: str = ""
    hint: str = ""
    journal: str = ""
    by: str = ""
    percent: int = 0


class Wish(msgspec.Struct, frozen=True):
    """What the daemon asks root for. ``sha256``: of the bundle that was looked at. ``allow_older``: a person
    said so, knowing that it is."""

    sha256: str
    by: str
    allow_older: bool = False


class Places(msgspec.Struct, frozen=True):
    box: Path

    @property
    def inbox(self) -> Path:
        return self.box / "update"

    @property
    def bundle(self) -> Path:
        return self.inbox / "offered.raucb"

    @property
    def wish(self) -> Path:
        return self.inbox / "install"

    @property
    def own(self) -> Path:
        """Root's."""
        return self.box.with_name(self.box.name + "-update")

    @property
    def record(self) -> Path:
        return self.own / "record.json"

    @property
    def taken(self) -> Path:
        """The bundle, out of the daemon's reach, while it is looked at and written."""
        return self.own / "bundle.raucb"

    @property
    def copies(self) -> Path:
        return self.own / "before"


def other_of(record: Record) -> Slot:
    """The slot that was written."""
    return other(record.from_slot)


def read(places: Places) -> Record:
    """Never updated, where there is no file. Raises ``data_loss`` where it makes no sense."""
    try:
        return msgspec.json.decode(places.record.read_bytes(), type=Record)
    except FileNotFoundError:
        return Record()
    except (OSError, msgspec.DecodeError) as error:
        raise ApplianceError(
            "data_loss",
            f"{places.record} cannot be read: {error}",
            "the box runs; the next update begins anew",
        ) from error


def write(places: Places, record: Record) -> None:
    """On the disk, whole, when this returns."""
    places.own.mkdir(mode=0o755, exist_ok=True)
    replace(places.record, msgspec.json.encode(record), 0o644)


def replace(path: Path, text: bytes, mode: int = 0o600) -> None:
    """The old file or the new one, at any moment."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
