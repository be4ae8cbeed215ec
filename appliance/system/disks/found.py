"""A disk, as a person and a program know it."""

from typing import Literal

import msgspec

Kind = Literal["nvme", "ssd", "hdd", "usb", "card", "virtual"]


class Part(msgspec.Struct, frozen=True):
    """The disk itself or one of its partitions. ``kind`` of what is on it: ext4, ntfs, crypto_LUKS ...;
    empty: nothing that is known. ``owner``: the id of the box whose footage is there; ``?``: that cannot be
    told (it is encrypted, or does not answer)."""

    name: str
    number: str
    size_bytes: int
    kind: str = ""
    label: str = ""
    uuid: str = ""
    mounted: tuple[str, ...] = ()
    owner: str = ""


class Health(msgspec.Struct, frozen=True):
    """``passed`` None: nobody knows (``why``). ``hours``: powered on, in its life. ``worn_percent``: of what
    its maker promises (may exceed 100). ``bad_sectors``: reallocated and pending, or media errors."""

    passed: bool | None
    hours: int | None = None
    celsius: int | None = None
    worn_percent: int | None = None
    bad_sectors: int | None = None
    why: str = ""


class Disk(msgspec.Struct, frozen=True):
    """``number``: major:minor. ``seq``: counts every disk that the kernel has met since it started; None
    before Linux 5.15. ``serial``: as its maker wrote it; empty: it has none. ``held``: by whom (swap, a RAID,
    an opened LUKS). ``parts``: the disk itself first."""

    name: str
    node: str
    number: str
    seq: int | None
    serial: str
    model: str
    size_bytes: int
    kind: Kind
    read_only: bool = False
    system: bool = False
    held: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def key(self) -> str:
        """What a person types: the serial, or the kernel's name for it and its count, until it is unplugged
        or the machine restarts."""
        return self.serial or f"{self.name}-{self.seq}"

    @property
    def owner(self) -> str:
        """Of the first part that has one; empty: nobody's, or nobody has looked."""
        return next((part.owner for part in self.parts if part.owner), "")

    @property
    def mounted(self) -> tuple[str, ...]:
        return tuple(point for part in self.parts for point in part.mounted)


class Disks(msgspec.Struct, frozen=True):
    """``system_known``: at least one of them is what the machine runs from."""

    all: tuple[Disk, ...]
    system_known: bool
