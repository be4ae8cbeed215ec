"""The machine: qemu with OVMF, a disk, a screen's port, a shell on the second serial line, a plug to pull."""

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from appliance.base.errors import ApplianceError
from firmware.build import must

FIRMWARE = Path("/usr/share/OVMF")
MEMORY_MIB = 2048
CPU = "Westmere"  # without AVX2: its gathers are wrong in this emulation (qemu 7.2), and crash NumPy
POLL_S = 0.25
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")


class Guest:
    """``with Guest(disk, folder) as guest``: runs until left. ``disk``: qcow2, changed by what happens."""

    def __init__(self, disk: Path, folder: Path, *, port: int = 0) -> None:
        self._disk, self.folder = disk, folder
        self.port = port or _free_port()
        self.console = folder / "console.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._sticks = 0

    def __enter__(self) -> "Guest":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, frames: TracebackType | None) -> None:
        self.pull_the_plug()

    def start(self) -> None:
        """Power on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        variables = self.folder / "vars.qcow2"
        if not variables.exists():
            must("qemu-img", "convert", "-O", "qcow2", FIRMWARE / "OVMF_VARS_4M.fd", variables)
        for name in ("shell", "qmp"):
            self._socket(name).unlink(missing_ok=True)
        words = [
            "nice", "-n", "15", "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi",
            "-cpu", CPU, "-smp", "2", "-m", str(MEMORY_MIB), "-display", "none", "-nodefaults",
            "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE}/OVMF_CODE_4M.fd",
            "-drive", f"if=pflash,format=qcow2,unit=1,file={variables}",
            "-drive", f"if=virtio,id=disk,format=qcow2,file={self._disk},cache=writeback",
            "-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{self.port}-:8443",
            # No network in the firmware: its timer polls it, and who asks for the screen keeps it busy.
            "-fw_cfg", "name=opt/org.tianocore/IPv4Support,string=no",
            "-fw_cfg", "name=opt/org.tianocore/IPv6Support,string=no",
            "-device", "virtio-net-pci,netdev=n,romfile=", "-device", "virtio-rng-pci",
            "-device", "qemu-xhci,id=usb",
            "-chardev", f"file,id=c,path={self.console},append=on", "-serial", "chardev:c",
            "-serial", f"unix:{self._socket('shell')},server=on,wait=off",
            "-qmp", f"unix:{self._socket('qmp')},server=on,wait=off",
        ]  # fmt: skip
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def pull_the_plug(self) -> None:
        """At once; what the guest had not written out is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def plug_in(self, stick: Path) -> str:
        """A USB stick with the write protection on; its name, for ``pull_out``."""
        self._sticks += 1
        name = f"stick-{self._sticks}"
        file = {"driver": "file", "filename": str(stick), "read-only": True}
        self.qmp("blockdev-add", driver="raw", file=file, **{"node-name": f"{name}-file", "read-only": True})
        self.qmp(
            "device_add", driver="usb-storage", drive=f"{name}-file", id=name, removable=True, bus="usb.0"
        )
        return name

    def pull_out(self, name: str) -> None:
        self.qmp("device_del", id=name)

    def freeze(self, layer: Path) -> None:
        """The disk's file stays as it is at this instant; what the machine writes from now on goes into
        ``layer``, a file that is made."""
        self.qmp("blockdev-snapshot-sync", device="disk", format="qcow2", **{"snapshot-file": str(layer)})

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def qmp(self, command: str, **arguments: Any) -> Any:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(self._socket("qmp")))
            file = peer.makefile("rw")
            file.readline()
            for words in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                file.write(json.dumps(words) + "\n")
                file.flush()
                while "event" in (said := json.loads(file.readline())):
                    pass
            if "error" in said:
                raise ApplianceError("unavailable", f"qemu: {said['error']}", "see the console's log")
            return said["return"]

    def monitor(self, line: str) -> str:
        return str(self.qmp("human-monitor-command", **{"command-line": line}))

    def shell(self, command: str, seconds: float = 120.0) -> str:
        """Root's shell: what ``command`` printed. Raises ``unavailable`` where it fails, or is silent.

        A line of its own for each: qemu throws away what nobody listens to. A peer that is there and does
        not read is full after 280 characters, and the firmware, which speaks on every line, stands still."""
        # Two marks, which an echo of what is typed does not show: on the same line the firmware and the
        # kernel speak at each boot.
        begin, mark = (f"{word}-{uuid.uuid4().hex[:12]}" for word in ("begin", "end"))
        typed = (f"echo {begin[:6]}''{begin[6:]}", command, f"echo {mark[:6]}''{mark[6:]} $?")
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(self._socket("shell")))
            peer.sendall("".join(f" {line}\n" for line in typed).encode())
            said = self._read_until(peer, re.compile(rf"{mark} (\d+)"), seconds, command)
        text, status = said[: said.rindex(mark)], int(said[said.rindex(mark) :].split()[1])
        text = text.rpartition(begin)[2]
        lines = _ANSI.sub("", text).split("\n")
        kept = "\n".join(line for line in lines if mark[6:] not in line and command[:60] not in line)
        if status != 0:
            raise ApplianceError(
                "unavailable", f"{command!r} in the guest: {status}\n{kept[-2000:]}", "look there"
            )
        return kept.strip().removesuffix("#").strip()

    def wait_shell(self, seconds: float = 240.0) -> None:
        """Until root's shell answers: the system is up so far."""
        until_s = time.perf_counter() + seconds
        while True:
            try:
                self.shell("stty -echo; export PS1= TERM=dumb SYSTEMD_PAGER= SYSTEMD_COLORS=0", 10.0)
                return
            except (ApplianceError, OSError) as error:
                if time.perf_counter() > until_s:
                    raise ApplianceError(
                        "unavailable", f"no shell after {seconds:.0f} s: {error}", f"see {self.console}"
                    ) from error
                time.sleep(POLL_S)

    def _read_until(self, peer: socket.socket, end: re.Pattern[str], seconds: float, about: str) -> str:
        said, until_s = "", time.perf_counter() + seconds
        while not end.search(said):
            left_s = until_s - time.perf_counter()
            if left_s <= 0:
                raise ApplianceError(
                    "unavailable", f"{about!r}: no end in {seconds:.0f} s: {said[-300:]!r}", ""
                )
            peer.settimeout(left_s)
            try:
                data = peer.recv(65_536)
            except TimeoutError:
                continue
            if not data:
                raise ApplianceError("unavailable", "the machine is off", f"see {self.console}")
            said += data.decode(errors="replace")
        return said

    def _socket(self, name: str) -> Path:
        return self.folder / f"{name}.sock"


def bench_disk(image: Path, target: Path, *, grow_mib: int = 4096) -> Path:
    """A qcow2 copy of a factory disk, bigger (so that it has something to grow into). On its data lies one
    unit: root's shell on the second serial line. Boot partition and slots are as shipped."""
    raw = target.with_suffix(".raw")
    must("cp", "--sparse=always", image, raw)
    table = json.loads(must("sfdisk", "--json", raw))["partitiontable"]["partitions"]
    data = next(part for part in table if part["name"] == "aries-data")
    with tempfile.TemporaryDirectory() as folder:
        units = Path(folder, "tree/changed/etc/systemd/system")
        units.mkdir(parents=True)
        (units / "bench-shell.service").write_text(SHELL_UNIT)
        (units / "sysinit.target.wants").mkdir()
        (units / "sysinit.target.wants/bench-shell.service").symlink_to("../bench-shell.service")
        made = Path(folder, "data")
        with made.open("wb") as file:
            file.truncate(data["size"] * 512)
        must("mkfs.ext4", "-q", "-L", "aries-data", "-m", "1", "-d", Path(folder, "tree"), made)
        must("dd", f"if={made}", f"of={raw}", "bs=1M", f"seek={data['start'] // 2048}", "conv=notrunc,sparse",
             "status=none")  # fmt: skip
    must("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, target)
    must("qemu-img", "resize", "-q", target, f"+{grow_mib}M")
    raw.unlink()
    return target


SHELL_UNIT = """[Unit]
Description=Root's shell for the bench
DefaultDependencies=no
IgnoreOnIsolate=yes

[Service]
ExecStart=/bin/bash --norc --noprofile
Restart=always
RestartSec=0
StandardInput=tty
TTYPath=/dev/ttyS1
TTYReset=yes
KillMode=process
"""


def copy(disk: Path, target: Path) -> Path:
    """A layer over ``disk``, which is not changed."""
    target.unlink(missing_ok=True)
    must("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk.resolve(), target)
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def room_for(folder: Path, need_bytes: int) -> None:
    """Raises ``exhausted``."""
    free = shutil.disk_usage(folder).free
    if free < need_bytes:
        raise ApplianceError(
            "exhausted", f"{free >> 30} GiB free in {folder}", f"{need_bytes >> 30} are needed"
        )
