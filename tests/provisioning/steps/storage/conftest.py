"""Real disks of 36 MB: loop devices, and a machine in which they are disks like others."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.base.clock import BoxClock
from appliance.system.disks.erase import Linux
from appliance.system.disks.found import Disks
from appliance.system.disks.look import Kernel
from appliance.system.programs import Programs
from provisioning.ground import Ground
from provisioning.steps.storage.step import Storage

OWN = "01890000-0000-7000-8000-000000000001"


class Daemon:
    """Of a box with two cameras, of which one records."""

    is_box = True

    def __init__(self) -> None:
        self.restarts = 0

    async def ask(self, method: str, path: str, body: object = None) -> object:
        assert (method, path) == ("GET", "/system/status")
        streams = [
            {"camera_id": "yard", "stream": "main", "bitrate_bps": 3_000_000},
            {"camera_id": "yard", "stream": "sub", "bitrate_bps": 500_000},
            {"camera_id": "till", "stream": "main", "bitrate_bps": 0},
        ]
        return {"device_id": OWN, "cameras": {"total": 2}, "streams": streams}

    async def restart(self) -> None:
        self.restarts += 1


class OnlyThese(Linux):
    """The machine as it is, but that of its loop devices only those of this test are there."""

    names: tuple[str, ...] = ()

    def look(self) -> Disks:
        found = super().look()
        return Disks(tuple(disk for disk in found.all if disk.name in self.names), found.system_known)


class OnLoops(Storage):
    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def machine(self, ground: Ground) -> OnlyThese:
        machine = OnlyThese(Kernel(virtual=True, data_dir=Path("/")), ground.programs)
        machine.names = self.names
        return machine


@pytest.fixture
def loops(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """Names of two loop devices with nothing on them."""
    for program in ("losetup", "mkfs.ext4", "debugfs", "blkid", "wipefs"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    if not Kernel().disks().system_known:
        pytest.skip("here nobody can tell which disk the machine runs from: nothing is formatted")
    made: list[str] = []
    try:
        for number in (1, 2):
            image = tmp_path / f"disk{number}.img"
            with image.open("wb") as file:
                file.truncate(36 << 20)
            done = subprocess.run(["losetup", "-f", "--show", str(image)], capture_output=True, text=True)
            if done.returncode:
                pytest.skip("loop devices are refused here")
            made.append(done.stdout.strip())
        yield tuple(Path(node).name for node in made)
    finally:
        mounted = Path("/proc/self/mountinfo").read_text()
        for point in re.findall(rf" ({re.escape(str(tmp_path))}/\S+) ", mounted):
            subprocess.run(["umount", point], capture_output=True)
        for node in made:
            subprocess.run(["losetup", "-d", node], capture_output=True)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    data = tmp_path / "data"
    data.mkdir()
    (data / "appliance.toml").write_text('# the box of the yard\nlog_level = "info"  # as usual\n')
    return Ground(data, BoxClock(), Programs(), Daemon(), tmp_path / "root", tmp_path / "run")


@pytest.fixture
def own_id() -> str:
    return OWN


@pytest.fixture
def step(loops: tuple[str, ...]) -> OnLoops:
    return OnLoops(loops)
