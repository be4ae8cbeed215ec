"""What is there, put beside what is wanted: of each disk, whether it is a volume, and what is lacking."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.media.ring.volume import read_identity
from appliance.system import files
from appliance.system.disks import content, erase, mounts
from appliance.system.disks.erase import Linux
from appliance.system.disks.found import Disk, Disks, Part
from appliance.system.disks.look import Kernel
from appliance.system.files import MachineFile
from provisioning.ground import Ground
from provisioning.steps.storage.given import DiskGiven

USABLE = ("ext4", "xfs")


class Wanted(msgspec.Struct, frozen=True):
    """One disk that was named. ``part`` None: it is formatted. ``uuid``: of what stands on it (of the LUKS,
    where it is one). ``mapper``: the opened name of an encrypted one."""

    given: DiskGiven
    disk: Disk
    where: str
    part: Part | None
    uuid: str = ""
    mapper: str = ""

    @property
    def formats(self) -> bool:
        return self.part is None


async def own_id(ground: Ground) -> str:
    """Raises ``conflict`` before the administrator's step."""
    if not ground.daemon.is_box:
        raise ApplianceError("conflict", "this folder is no box yet", "carry out the administrator's step")
    status: Any = await ground.daemon.ask("GET", "/system/status")
    return str(status["device_id"])


def machine(ground: Ground, *, virtual: bool = False) -> Linux:
    """The kernel's own files, whatever ``ground.root`` is: disks cannot be made up."""
    return Linux(Kernel(Path("/"), virtual=virtual, data_dir=ground.data_dir), ground.programs)


async def look(found: erase.Machine) -> Disks:
    return await asyncio.to_thread(found.look)


def can_encrypt(ground: Ground) -> bool:
    """Before anything is emptied: LUKS needs its program and the kernel's device mapper."""
    try:
        os.close(
            os.open("/dev/mapper/control", os.O_RDWR | os.O_CLOEXEC)
        )  # loads its module, where there is one
    except OSError:
        return False
    return ground.programs.has("cryptsetup")


def wanted(
    disks: Disks, given: Sequence[DiskGiven], root: Path, own: str, *, encrypts: bool = True
) -> list[Wanted]:
    """Raises ``invalid``, ``not_found`` or ``conflict`` with the field (``disks.0.format``)."""
    found: list[Wanted] = []
    for number, one in enumerate(given):
        field = f"disks.{number}"
        try:
            here = _wanted(disks, one, root, own, encrypts)
        except ApplianceError as error:
            raise ApplianceError(
                error.kind, error.message, error.hint, field=f"{field}.{_field(error)}"
            ) from error
        if any(here.disk.key == other.disk.key for other in found):
            raise invalid(f"{here.disk.key} is named twice", "name each disk once", field=f"{field}.disk")
        found.append(here)
    return found


def _field(error: ApplianceError) -> str:
    return "format" if error.kind == "invalid" else "disk"


def _wanted(disks: Disks, given: DiskGiven, root: Path, own: str, encrypts: bool) -> Wanted:
    disk = erase.named(disks, given.disk)
    where, mapper = mounts.place(disk.key), mapper_of(disk)
    ours = ours_on(disk, root, own)
    if ours is not None:
        locked = ours.kind == content.ENCRYPTED
        return Wanted(given, disk, where, ours, ours.uuid, mapper if locked else "")
    if given.format:
        erase.allowed(disks, given.disk, given.format, own)
        if given.encrypt and not encrypts:
            raise ApplianceError(
                "unavailable",
                "this machine cannot encrypt disks",
                "install cryptsetup and the kernel's dm-crypt",
            )
        return Wanted(given, disk, where, None, "", mapper if given.encrypt else "")
    part = usable(disk)
    if part is None:
        what = ", ".join(words(disk)) or "nothing"
        hint = f"to empty it, type {erase.phrase(disk, own)}"
        raise invalid(f"{disk.key} cannot be used as it is: on it is {what}", hint)
    if given.encrypt:
        raise invalid("only a disk that is formatted can be encrypted", "format it, or leave it plain")
    return Wanted(given, disk, where, part, part.uuid)


def ours_on(disk: Disk, root: Path, own: str) -> Part | None:
    """Where this box's footage is: by its identity file; of an encrypted one by our line in crypttab."""
    lines = (files.read(root, mounts.CRYPTTAB) or "").splitlines()
    known = {row.split()[1] for row in lines if row.startswith("aries-") and len(row.split()) > 1}
    for part in disk.parts:
        if part.kind == content.ENCRYPTED and f"UUID={part.uuid}" in known:
            return part
        if part.kind in USABLE and part.owner == own:
            return part
    return None


def usable(disk: Disk) -> Part | None:
    """What footage can go to beside what is there: the one file system on a disk that is nobody's."""
    parts = [part for part in disk.parts if part.kind in USABLE]
    return parts[0] if len(parts) == 1 and not disk.owner and not disk.system and not disk.held else None


def mapper_of(disk: Disk) -> str:
    return f"aries-{mounts.place(disk.key).rpartition('/')[2]}"


def key_file(data_dir: Path, mapper: str) -> Path:
    return data_dir / "secrets" / f"luks-{mapper}.key"


def words(disk: Disk) -> tuple[str, ...]:
    """What is on it, for a person."""
    return tuple(
        f"{part.kind or 'an unknown file system'}"
        f"{f' “{part.label}”' if part.label else ''}, {size(part.size_bytes)}"
        + (f", in use at {', '.join(part.mounted)}" if part.mounted else "")
        for part in disk.parts
        if part.kind or part.mounted
    )


def size(count: int) -> str:
    """As on the label: powers of ten."""
    for unit, bytes_ in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= bytes_:
            return f"{count / bytes_:.3g} {unit}"
    return f"{count} bytes"


def machine_files(ground: Ground, found: Sequence[Wanted]) -> list[MachineFile]:
    """Of disks whose file system is there; one to be formatted has no UUID yet. Volumes of before stay."""
    made = []
    lines = files.read(ground.root, mounts.CRYPTTAB) or ""
    for one in found:
        if not one.formats:
            kind = "ext4" if one.mapper or one.part is None else one.part.kind
            made.append(mounts.mount_unit(one.where, one.uuid, kind, one.mapper))
        if one.mapper and one.uuid:
            key = str(key_file(ground.data_dir, one.mapper))
            lines = mounts.crypttab(lines, one.mapper, mounts.crypttab_line(one.mapper, one.uuid, key))
    if any(one.mapper for one in found):
        made.append(MachineFile(mounts.CRYPTTAB, lines))
    return made


def identity_lacks(ground: Ground, where: str, own: str) -> bool:
    """Raises ``conflict`` for another box's."""
    found = read_identity(ground.at(where))
    if found is not None and found.device_id != own:
        raise ApplianceError(
            "conflict", f"the disk at {where} belongs to another box", "choose another, or empty it"
        )
    return found is None


def is_mounted(ground: Ground, one: Wanted) -> bool:
    """This disk, and not another, at its place."""
    where = ground.at(one.where)
    if not os.path.ismount(where):
        return False
    device = where.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    return bool(one.mapper) or (one.part is not None and one.part.number == number)
