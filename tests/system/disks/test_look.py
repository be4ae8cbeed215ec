"""Disks out of the kernel's files: a made-up machine in a folder."""

from pathlib import Path

import pytest

from appliance.system.disks.look import Kernel

MIB = 2048  # sectors


class Tree:
    """``/sys``, ``/proc`` and ``/run`` of a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mounts: list[str] = []
        self.count = 0

    def put(self, path: str, text: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def disk(self, name, number, *, parts=(), **more) -> None:
        self.count += 1
        base = f"sys/block/{name}"
        found = {
            "dev": number,
            "size": 100 * MIB,
            "ro": 0,
            "diskseq": self.count,
            "queue/rotational": 1,
        } | more
        for key, value in found.items():
            self.put(f"{base}/{key.replace('__', '/')}", value if isinstance(value, bytes) else f"{value}\n")
        major, _, minor = number.partition(":")
        for part in parts:
            self.put(f"{base}/{name}{part}/partition", f"{part}\n")
            self.put(f"{base}/{name}{part}/dev", f"{major}:{int(minor) + part}\n")
            self.put(f"{base}/{name}{part}/size", f"{10 * MIB}\n")

    def mount(self, number, point, source) -> None:
        self.mounts.append(f"30 1 {number} / {point} rw,relatime - ext4 {source} rw")
        self.put("proc/self/mountinfo", "\n".join(self.mounts) + "\n")


@pytest.fixture
def tree(tmp_path) -> Tree:
    made = Tree(tmp_path)
    page = b"\x00\x80\x00\x14" + b"     WD-WCC4N7XXXXXX"
    made.disk(
        "sda", "8:0", parts=(1, 2), device__vendor="ATA", device__model="WDC WD40", device__vpd_pg80=page
    )
    made.disk(
        "nvme0n1",
        "259:0",
        parts=(1,),
        device__serial="S4EWNX0R1",
        device__model="Samsung",
        queue__rotational=0,
    )
    made.disk("sdb", "8:16", device__model="Stick")
    made.put("run/udev/data/b8:16", "E:ID_SERIAL_SHORT=AA11\nE:ID_BUS=usb\n")
    made.disk("mmcblk0boot0", "179:8")
    made.disk("loop0", "7:0")
    made.disk("sr0", "11:0")
    made.disk("sdc", "8:32", size=0)  # an empty card reader
    made.mount("259:1", "/", "/dev/nvme0n1p1")
    return made


def named(tree) -> dict:
    return {disk.name: disk for disk in Kernel(tree.root).disks().all}


def test_what_is_a_disk_and_its_serial(tree):
    found = named(tree)
    assert {name: disk.key for name, disk in found.items()} == {
        "sda": "WD-WCC4N7XXXXXX", "nvme0n1": "S4EWNX0R1", "sdb": "AA11",
    }  # fmt: skip
    assert (found["sda"].model, found["sda"].kind, found["nvme0n1"].kind) == ("WDC WD40", "hdd", "nvme")
    assert found["sda"].size_bytes == 100 << 20
    assert [part.name for part in found["sda"].parts] == ["sda", "sda1", "sda2"]


def test_the_system_s_disk_is_known_wherever_it_is(tree):
    assert [disk.name for disk in named(tree).values() if disk.system] == ["nvme0n1"]
    assert Kernel(tree.root).disks().system_known


def test_through_luks_and_lvm(tree):
    tree.mounts.clear()
    tree.disk("dm-0", "254:0")
    tree.disk("dm-1", "254:1")
    tree.put("sys/block/sda/sda2/holders/dm-0", "")
    tree.put("sys/block/dm-0/holders/dm-1", "")
    tree.mount("254:1", "/", "/dev/mapper/root")
    found = named(tree)
    assert [disk.name for disk in found.values() if disk.system] == ["sda"]
    assert found["sda"].mounted == ("/",) and found["sda"].held == "dm-0"
    assert not found["nvme0n1"].system


def test_of_a_root_that_is_no_disk_nothing_is_known(tree):
    tree.mounts.clear()
    tree.mount("0:35", "/", "overlay")
    assert not Kernel(tree.root).disks().system_known


def test_what_the_box_s_data_lies_on_is_the_system_s(tree, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    tree.mount("8:1", str(data), "/dev/sda1")
    found = {disk.name: disk for disk in Kernel(tree.root, data_dir=data / "box").disks().all}
    assert found["sda"].system


def test_swap_and_a_btrfs_hold_a_disk(tree):
    tree.put("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    tree.mount("0:40", "/media/stick", "/dev/sdb")
    found = named(tree)
    assert found["sda"].held == "swap"
    assert found["sdb"].mounted == ("/media/stick",)


def test_one_without_a_serial_has_a_name_until_it_is_unplugged(tree):
    tree.put("run/udev/data/b8:16", "")
    assert named(tree)["sdb"].key == "sdb-3"
