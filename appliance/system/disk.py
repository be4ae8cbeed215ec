"""What a folder's disk has room for, and which mount it really is."""

import os
from pathlib import Path

import msgspec

# statfs types (statfs(2)) on which SQLite's WAL and flock cannot be trusted
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs"}


class DiskUsage(msgspec.Struct, frozen=True):
    """Bytes; ``free_bytes`` is what this process may still write."""

    total_bytes: int
    free_bytes: int

    @property
    def used_share(self) -> float:
        """0..1"""
        return 1.0 - self.free_bytes / self.total_bytes if self.total_bytes else 1.0


class Mount(msgspec.Struct, frozen=True):
    point: str
    kind: str  # ext4, xfs, nfs4 ...
    source: str
    read_only: bool

    @property
    def network(self) -> bool:
        return self.kind in _NETWORK


def usage(folder: Path) -> DiskUsage:
    """Raises ``OSError`` where ``folder`` is gone."""
    found = os.statvfs(folder)
    return DiskUsage(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def mount_of(folder: Path) -> Mount | None:
    """The mount that holds ``folder``; None where the kernel does not say (no /proc)."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    real = os.path.realpath(folder)
    best: Mount | None = None
    for line in lines:
        mount = _parse(line)
        # later lines hide earlier ones on the same point, hence >=
        if mount and _holds(mount.point, real) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _parse(line: str) -> Mount | None:
    """One line of /proc/self/mountinfo (proc(5)): the fields behind `` - `` are type, source, options."""
    head, dash, tail = line.partition(" - ")
    fields, rest = head.split(), tail.split()
    if not dash or len(fields) < 6 or len(rest) < 2:
        return None
    point = fields[4].encode().decode("unicode_escape").encode("latin-1").decode(errors="replace")
    return Mount(point, rest[0], rest[1], "ro" in fields[5].split(","))


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")
