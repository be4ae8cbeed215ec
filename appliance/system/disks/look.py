"""Disks by what the kernel says in /sys/block, /proc/self/mountinfo and /proc/swaps; nothing is opened.

Sources: Documentation/ABI/stable/sysfs-block, proc_pid_mountinfo(5), SPC-4 7.8 (the page of a unit's serial).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from appliance.system.disks.found import Disk, Disks, Kind, Part

SECTOR_BYTES = 512  # of /sys/block/*/size, whatever the disk's own are
_NO_DISKS = re.compile(r"(loop|ram|zram|sr|fd|dm-|md|nbd|mtdblock)\d*|mmcblk\d+(boot\d|rpmb)")
_VIRTUAL = re.compile(r"loop\d+")
SYSTEM = ("/", "/boot", "/boot/efi", "/efi", "/etc", "/usr", "/var", "/home", "/data")


class Kernel:
    """Its files under ``root``. ``virtual``: loop devices are disks, too (tests). ``data_dir``: what it lies
    on is the system's."""

    def __init__(
        self, root: Path = Path("/"), *, virtual: bool = False, data_dir: Path | None = None
    ) -> None:
        self._root, self._virtual = root, virtual
        self._block = root / "sys/block"
        self._data_dir = data_dir

    def disks(self) -> Disks:
        """Sorted by name; a disk of no size (an empty card reader) is none."""
        mounts = self._mounts()
        swaps = {
            Path(line.split()[0]).name for line in _text(self._root / "proc/swaps").splitlines()[1:] if line
        }
        system = self._system(mounts)
        found = []
        for folder in sorted(self._block.iterdir()) if self._block.is_dir() else []:
            virtual = bool(_VIRTUAL.fullmatch(folder.name))
            if _NO_DISKS.fullmatch(folder.name) and not (virtual and self._virtual):
                continue
            if int(_text(folder / "size") or 0):
                found.append(self._disk(folder, mounts, swaps, folder.name in system))
        return Disks(tuple(found), bool(system))

    def _disk(self, folder: Path, mounts: dict[str, list[str]], swaps: set[str], system: bool) -> Disk:
        parts = tuple(
            Part(
                one.name,
                _text(one / "dev"),
                int(_text(one / "size") or 0) * SECTOR_BYTES,
                mounted=tuple(self._points(one, mounts)),
            )
            for one in (folder, *_partitions(folder))
        )
        holders = [path.name for one in (folder, *_partitions(folder)) for path in _inside(one / "holders")]
        held = ", ".join([*holders, *("swap" for part in parts if part.name in swaps)])
        seq = _text(folder / "diskseq")
        return Disk(
            folder.name,
            f"/dev/{folder.name}",
            _text(folder / "dev"),
            int(seq) if seq.isdigit() else None,
            self._serial(folder),
            _model(folder),
            parts[0].size_bytes,
            _kind(folder),
            read_only=_text(folder / "ro") == "1",
            system=system,
            held=held,
            parts=parts,
        )  # fmt: skip

    def _serial(self, folder: Path) -> str:
        """Of NVMe, virtio and cards a file; of SCSI and SATA a page of its own; of USB what udev asked."""
        for name in ("serial", "device/serial"):
            if text := _plain(_text(folder / name)):
                return text
        try:
            page = (folder / "device/vpd_pg80").read_bytes()
        except OSError:
            page = b""
        if text := _plain(page[4:].decode("ascii", "ignore")):
            return text
        known = _text(self._root / "run/udev/data" / f"b{_text(folder / 'dev')}")
        for line in known.splitlines():
            if line.startswith("E:ID_SERIAL_SHORT="):
                return _plain(line.partition("=")[2])
        return ""

    def _mounts(self) -> dict[str, list[str]]:
        """By major:minor, and by the name of the source (a btrfs has a number of its own): where."""
        found: dict[str, list[str]] = {}
        for line in _text(self._root / "proc/self/mountinfo").splitlines():
            head, _, tail = line.partition(" - ")
            fields, rest = head.split(), tail.split()
            if len(fields) < 5 or len(rest) < 2:
                continue
            point = fields[4].encode().decode("unicode_escape")
            found.setdefault(fields[2], []).append(point)
            if rest[1].startswith("/dev/"):
                found.setdefault(Path(rest[1]).name, []).append(point)
        return found

    def _points(self, folder: Path, mounts: dict[str, list[str]]) -> Iterator[str]:
        """Of it, and of what stands on it (LUKS, RAID, LVM)."""
        yield from dict.fromkeys([*mounts.get(_text(folder / "dev"), []), *mounts.get(folder.name, [])])
        for holder in _inside(folder / "holders"):
            yield from self._points(self._block / holder.name, mounts)

    def _system(self, mounts: dict[str, list[str]]) -> set[str]:
        """Names of the disks that the machine runs from, or that hold the box's own data."""
        points = set(SYSTEM)
        if self._data_dir is not None:
            real = os.path.realpath(self._data_dir)
            above = [point for at in mounts.values() for point in at if _holds(point, real)]
            points |= {max(above, key=len)} if above else set()
        return {
            folder.name
            for folder in (self._block.iterdir() if self._block.is_dir() else ())
            for one in (folder, *_partitions(folder))
            if points & set(self._points(one, mounts)) and not _NO_DISKS.fullmatch(folder.name)
        }


def _partitions(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/partition"))


def _kind(folder: Path) -> Kind:
    real = os.path.realpath(folder)
    if folder.name.startswith("nvme"):
        return "nvme"
    if folder.name.startswith("mmcblk"):
        return "card"
    if "/usb" in real:
        return "usb"
    if folder.name.startswith(("vd", "loop", "xvd")):
        return "virtual"
    return "hdd" if _text(folder / "queue/rotational") == "1" else "ssd"


def _model(folder: Path) -> str:
    """The vendor of virtio is a number, of SATA the word ATA: neither helps."""
    vendor = _text(folder / "device/vendor")
    model = _text(folder / "device/model") or _text(folder / "device/name")
    return " ".join(word for word in (vendor, model) if word and word != "ATA" and not word.startswith("0x"))


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _plain(text: str) -> str:
    """What can be typed: printable, without the blanks around it; a run of zeros is no serial."""
    text = "".join(character for character in text if character.isprintable()).strip()
    return "" if not text.strip("0 ") else text[:64]


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
