"""The one way to empty a disk.

    look ─► is it allowed? ─► hold the device ─► look again ─► is it the same, still allowed? ─► wipe, make

What is held is an open device: until it is let go the kernel gives its number to no other disk, and the
programs get it by that open file, not by a name. wipefs and mkfs claim it for themselves (O_EXCL) and refuse
what was mounted in the meantime.
"""

import array
import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.system.disks import content
from appliance.system.disks.found import Disk, Disks
from appliance.system.disks.look import Kernel
from appliance.system.programs import Programs

BLKGETDISKSEQ = 0x80081280  # linux/fs.h: _IOR(0x12, 128, __u64)
FORMAT_S = 600.0
_LABEL_CHARACTERS = 10


class Held(msgspec.Struct, frozen=True):
    """``path``: leads to this device, whatever its name becomes."""

    number: str
    seq: int | None
    path: str


class Machine(Protocol):
    def look(self) -> Disks:
        """Now, and with what is on each."""

    def hold(self, node: str) -> AbstractContextManager[Held]: ...

    def run(self, *words: str) -> str: ...


class Linux:
    """The machine itself."""

    def __init__(self, kernel: Kernel, programs: Programs) -> None:
        self._kernel, self._programs = kernel, programs

    def look(self) -> Disks:
        found = self._kernel.disks()
        return Disks(tuple(content.of(disk, self._programs) for disk in found.all), found.system_known)

    @contextmanager
    def hold(self, node: str) -> Iterator[Held]:
        try:
            descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            text = f"{node} cannot be opened: {error.strerror}"
            raise ApplianceError("conflict", text, "look again which disks there are") from error
        try:
            rdev = os.fstat(descriptor).st_rdev
            number = f"{os.major(rdev)}:{os.minor(rdev)}"
            yield Held(number, _seq(descriptor), f"/proc/{os.getpid()}/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def run(self, *words: str) -> str:
        return self._programs.must(*words, within_s=FORMAT_S)


def _seq(descriptor: int) -> int | None:
    """None before Linux 5.15."""
    found = array.array("Q", [0])
    try:
        fcntl.ioctl(descriptor, BLKGETDISKSEQ, found)
    except OSError:
        return None
    return found[0]


def named(disks: Disks, key: str) -> Disk:
    """Raises ``not_found``, or ``conflict`` where two disks have this serial."""
    found = [disk for disk in disks.all if disk.key == key]
    if not found:
        here = ", ".join(disk.key for disk in disks.all) or "none"
        raise ApplianceError("not_found", f"there is no disk {key[:64]}", f"this machine has {here}")
    if len(found) > 1:
        names = " and ".join(disk.name for disk in found)
        raise ApplianceError(
            "conflict", f"{names} both say that they are {key[:64]}", "unplug the one that is not meant"
        )
    return found[0]


def phrase(disk: Disk, own_id: str) -> str:
    """What must be typed before it is emptied: its serial, with a word more where another box's footage, or
    something encrypted, is on it."""
    foreign = disk.owner not in ("", own_id)
    return f"ERASE {disk.key}" if foreign else disk.key


def refusal(disk: Disk) -> tuple[str, str] | None:
    """Why it is not to be emptied, whatever is typed, and what to do; None: it may be."""
    if disk.system:
        return f"{disk.key} is the disk that this machine runs from", "choose another disk"
    if disk.mounted:
        return f"{disk.key} is in use at {', '.join(disk.mounted)}", "unmount it first, if it is not needed"
    if disk.held:
        return f"{disk.key} is in use ({disk.held})", "take it out of there first"
    if disk.read_only:
        return f"{disk.key} cannot be written", "look for a switch on it, or choose another"
    return None


def allowed(disks: Disks, key: str, typed: str, own_id: str) -> Disk:
    """Raises ``conflict`` or ``not_found`` where it must not be, ``invalid`` where it was not typed."""
    if not disks.system_known:
        raise ApplianceError(
            "conflict", "which disk this machine runs from cannot be told: none is emptied",
            "format it elsewhere, and use it as it is",
        )  # fmt: skip
    disk = named(disks, key)
    if (found := refusal(disk)) is not None:
        raise ApplianceError("conflict", *found)
    wanted = phrase(disk, own_id)
    if typed != wanted:
        raise invalid(f"to empty {disk.model or disk.name} its own name must be typed", f"type {wanted}")
    return disk


def same(one: Disk, other: Disk) -> bool:
    return (one.number, one.seq, one.serial, one.size_bytes) == (
        other.number,
        other.seq,
        other.serial,
        other.size_bytes,
    )


@contextmanager
def held(machine: Machine, key: str, typed: str, own_id: str) -> Iterator[tuple[Disk, str]]:
    """The disk, emptied of everything that says what was on it, and a path that leads to it and to no other.
    Raises what ``allowed`` raises, and ``conflict`` where disks were changed while we looked."""
    before = allowed(machine.look(), key, typed, own_id)
    with machine.hold(before.node) as grip:
        now = allowed(machine.look(), key, typed, own_id)
        if not same(before, now) or (grip.number, grip.seq) != (now.number, now.seq):
            raise ApplianceError("conflict", "the disks have changed meanwhile", "look again, then decide")
        machine.run("wipefs", "--all", "--quiet", grip.path)
        yield now, grip.path


def ext4(machine: Machine, path: str, uuid: str, label: str) -> None:
    """For footage: few large files, so an inode per MB; no blocks kept back, since retention keeps a reserve;
    no discard of the whole disk, which takes minutes on some."""
    machine.run(
        "mkfs.ext4", "-q", "-m", "0", "-T", "largefile", "-E", "nodiscard", "-O", "metadata_csum,64bit",
        "-U", uuid, "-L", label, path,
    )  # fmt: skip


def label_of(disk: Disk) -> str:
    """At most 16 characters (ext4)."""
    plain = "".join(character for character in disk.key if character.isascii() and character.isalnum())
    return f"aries-{plain[-_LABEL_CHARACTERS:]}"
