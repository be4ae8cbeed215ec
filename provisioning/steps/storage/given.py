"""What is answered: ``[storage]`` of answers.toml, and the page's form; and what the page is told."""

import msgspec

from appliance.system.disks.found import Health


class DiskGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``disk``: its serial, as on its label and as the page shows it. ``format``: empty: it is used with what
    is on it (an ext4 or XFS); its serial again: everything on it is lost, and it is made new (``ERASE`` and
    the serial where another box's footage, or something encrypted, is on it). A disk that is this box's
    already is not formatted again. ``encrypt``: a new one with LUKS; its key lies on the system's disk."""

    disk: str
    format: str = ""
    encrypt: bool = False


class StorageGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``disks``: in the order in which they are filled; none: footage goes to the system's disk.
    ``system_disk``: what has no room on them, or comes while they are missing, goes there."""

    disks: tuple[DiskGiven, ...] = ()
    system_disk: bool = True


class DiskFound(msgspec.Struct, frozen=True):
    """``key``: what is typed. ``on_it``: in words, one line each. ``why_not``: why it cannot be used; empty:
    it can. ``phrase``: what must be typed to empty it; empty: it must not be. ``usable``: with what is on it.
    ``owner``: ``own`` | ``foreign`` | ``encrypted`` | empty. ``volume``: footage goes there already."""

    key: str
    name: str
    model: str
    kind: str
    size_bytes: int
    system: bool
    health: Health
    on_it: tuple[str, ...]
    why_not: str
    phrase: str
    usable: bool
    owner: str
    volume: bool


class Need(msgspec.Struct, frozen=True):
    """``bits_per_s``: of all streams. ``estimated``: nothing is recorded yet; so much for each camera."""

    cameras: int
    bits_per_s: float
    estimated: bool


class StorageFound(msgspec.Struct, frozen=True):
    """``system_bytes``: free on the system's disk, its reserve taken off. ``can_encrypt``: cryptsetup and the
    kernel's part are there. ``now``: the disks that are volumes already."""

    disks: tuple[DiskFound, ...]
    need: Need
    system_bytes: int
    can_encrypt: bool
    now: StorageGiven
