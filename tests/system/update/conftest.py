"""A box with two file-backed boot slots, a bus of its own and a real RAUC; keys are made for the test."""

import os
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.system.update.boot import FACTORY, BootSector, encode
from appliance.system.update.rauc import Rauc
from appliance.system.update.record import Places

COMPATIBLE = "aries-edge-amd64"
SLOT_BYTES = 2 << 20
NEEDED = ("rauc", "dbus-daemon", "openssl", "mksquashfs")


@dataclass
class Bench:
    folder: Path
    rauc: Rauc
    places: Places
    sector: BootSector

    def bundle(self, version, *, compatible=COMPATIBLE, key="maker", size=300_000) -> Path:
        """A plain bundle; verity needs a kernel with dm-verity."""
        name = f"{version}-{compatible}-{key}-{size}"
        content, target = self.folder / f"content-{name}", self.folder / f"{name}.raucb"
        content.mkdir()
        (content / "rootfs.img").write_bytes(version.encode().ljust(100, b".") + os.urandom(size - 100))
        (content / "manifest.raucm").write_text(
            f"[update]\ncompatible={compatible}\nversion={version}\n\n[bundle]\nformat=plain\n\n"
            "[image.rootfs]\nfilename=rootfs.img\n"
        )
        keys = ["--cert", f"{key}.pem", "--key", f"{key}.key", "--keyring", f"{key}.pem"]
        subprocess.run(
            ["rauc", *keys, "bundle", content, target], cwd=self.folder, check=True, capture_output=True
        )
        return target

    def slot(self, name) -> bytes:
        return (self.folder / f"{name}.img").read_bytes()

    def offer(self, bundle) -> None:
        self.places.inbox.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle, self.places.bundle)


def make_key(folder, name):
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/O=Aries Edge test/CN={name}"]
    subprocess.run([*words, *files], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs {', '.join(missing) or 'root'}")
    folder = tmp_path_factory.mktemp("rauc")
    (folder / "try").mkdir()
    for name in ("maker", "stranger"):
        make_key(folder, name)
    for name in "ab":
        (folder / f"{name.upper()}.img").write_bytes(bytes(SLOT_BYTES))
    (folder / "state").write_bytes(encode(FACTORY))
    write_programs(folder)
    address = f"unix:path={folder}/bus"
    bus = subprocess.Popen(["dbus-daemon", "--nofork", f"--config-file={folder}/bus.conf"])
    service = None
    try:
        wait_for(folder / "bus")
        environ = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": address}
        service = subprocess.Popen(
            ["rauc", "-c", folder / "system.conf", "--override-boot-slot=A", "service"],
            env=environ, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        rauc = Rauc(environ={"DBUS_SYSTEM_BUS_ADDRESS": address}, keyring=folder / "maker.pem")
        wait_until_it_answers(rauc)
        yield Bench(folder, rauc, Places(folder / "box"), BootSector(folder / "state"))
    finally:
        for child in (service, bus):
            if child is not None:
                child.terminate()
                child.wait()


@pytest.fixture
def box(bench):
    """As shipped: A runs, B is empty."""
    bench.sector.write(FACTORY)
    for folder in (bench.places.box, bench.places.own):
        shutil.rmtree(folder, ignore_errors=True)
    bench.places.box.mkdir()
    bench.places.own.mkdir()
    return bench


def wait_for(path):
    until_s = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until_s, path
        time.sleep(0.01)


def wait_until_it_answers(rauc):
    from appliance.base.errors import ApplianceError

    for attempt in range(200):
        try:
            rauc.slots()
            return
        except ApplianceError:
            assert attempt < 199
            time.sleep(0.02)


def write_programs(folder):
    """RAUC's configuration, the box's own backend over a file, and the bus."""
    backend = folder / "backend"
    backend.write_text(
        f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})\n"
        "from appliance.system.update.boot import BootSector, answer\n"
        f"sys.stdout.write(answer(BootSector(Path({str(folder / 'state')!r})), sys.argv[1:]))\n"
    )
    backend.chmod(0o755)
    slots = "".join(
        f"[slot.rootfs.{number}]\ndevice={folder}/{name}.img\ntype=raw\nbootname={name}\n\n"
        for number, name in enumerate("AB")
    )
    (folder / "system.conf").write_text(
        f"[system]\ncompatible={COMPATIBLE}\nbootloader=custom\nactivate-installed=false\n"
        f"mountprefix={folder}/mnt\nstatusfile={folder}/rauc.status\n\n"
        f"[handlers]\nbootloader-custom-backend={backend}\n\n[keyring]\npath=maker.pem\n\n{slots}"
    )
    (folder / "bus.conf").write_text(
        textwrap.dedent(f"""\
        <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
         "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
        <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/>
        <allow own="*"/></policy></busconfig>
        """)
    )
