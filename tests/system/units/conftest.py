"""A guest: systemd as PID 1 in a container, with the units where they go and this checkout as the program.

Its /usr is this machine's own, read-only; /etc and /var are new. So it boots in a second, needs no network
and no image, and what is tried is the systemd that is installed here.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
UNITS = ROOT / "systemd"
PASSWORD = "a line of five dull words"
KEPT = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "nsswitch.conf", "pam.d", "ssl")
SHIM = """#!/opt/aries/bin/python -B
import sys
from {module} import main
sys.exit(main())
"""


def places(*kinds: str) -> Iterator[tuple[Path, Path]]:
    """(file, where it goes) of ``systemd/places``; ``kinds``: of its third column."""
    for line in (UNITS / "places").read_text().splitlines():
        name, _, rest = line.partition(" ")
        path, _, kind = rest.strip().partition(" ")
        if name.startswith("#") or (kind.strip() and kind.strip() not in kinds):
            continue
        yield UNITS / name, Path(path + name if path.endswith("/") else path)


class Guest:
    """``boot``, then ``ask``; ``stop`` at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._binds = ["--bind-ro=/usr"]
        self._make()

    def _make(self) -> None:
        for name in ("etc/systemd/system", "var", "usr", "run", "tmp", "proc", "sys", "dev", "root", "mnt"):
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")
        for name in KEPT:
            source = Path("/etc") / name
            if source.is_dir():
                shutil.copytree(source, self.root / "etc" / name, symlinks=True)
            elif source.exists():
                shutil.copy(source, self.root / "etc" / name)
        shutil.copy("/usr/lib/os-release", self.root / "etc")
        # Not a first boot, which would enable whatever this machine's packages brought along.
        (self.root / "etc" / "machine-id").write_text(os.urandom(16).hex() + "\n")
        target = self.root / "etc/systemd/system/default.target"
        target.symlink_to("/usr/lib/systemd/system/multi-user.target")
        self._make_program()

    def _make_program(self) -> None:
        """/opt/aries: an environment of this interpreter, its packages and this checkout."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.bind(ROOT, "/opt/checkout")
        self.bind(Path(sysconfig.get_path("purelib")), "/opt/packages")
        home = f"{sys.base_prefix}/bin"
        if not sys.base_prefix.startswith("/usr"):  # a Python of its own, with a library of its own
            self.bind(Path(sys.base_prefix), "/opt/python")
            home = "/opt/python/bin"
            self.write("/etc/ld.so.conf", "/opt/python/lib\ninclude /etc/ld.so.conf.d/*.conf\n")
        self.write("/opt/aries/pyvenv.cfg", f"home = {home}\n")
        packages = f"/opt/aries/lib/{version}/site-packages"
        self.write(f"{packages}/checkout.pth", "/opt/checkout\n/opt/packages\n")
        (self.root / "opt/aries/bin").mkdir()
        (self.root / "opt/aries/bin/python").symlink_to(f"{home}/{version}")
        programs = {
            "appliance": "appliance.cli",
            "appliance-provision": "provisioning.cli",
            "simulator": "appliance.simulator.__main__",
        }
        for name, module in programs.items():
            self.write(f"/opt/aries/bin/{name}", SHIM.format(module=module), 0o755)

    def install(self, *kinds: str) -> None:
        """As ``places`` says, but below /etc instead of /usr, which is this machine's."""
        for source, path in places(*kinds):
            text = str(path)
            for known, here in (("/usr/lib/", "/etc/"), ("/usr/share/dbus-1/", "/etc/dbus-1/")):
                text = text.replace(known, here) if text.startswith(known) else text
            there = self.root / text.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, there)

    def switch_on(self, *units: str) -> None:
        """As the multi-user target has them, from the next boot on."""
        folder = self.root / "etc/systemd/system"
        for unit in units:
            (folder / "multi-user.target.wants").mkdir(exist_ok=True)
            (folder / "multi-user.target.wants" / unit).symlink_to(f"/etc/systemd/system/{unit}")

    def bind(self, source: Path, there: str, *, writable: bool = False) -> None:
        self._binds.append(f"--bind{'' if writable else '-ro'}={source}:{there}")

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        there = self.root / path.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)
        there.chmod(mode)
        return there

    def boot(self) -> None:
        """Returns when the default target is reached. Skips where containers are refused."""
        command = [
            "systemd-nspawn", "--quiet", "--keep-unit", "--register=no", "--private-network", "--boot",
            "--console=read-only", "-D", str(self.root), *self._binds, "systemd.show_status=0",
        ]  # fmt: skip
        with (self.root.parent / "console").open("wb") as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        self.until(self._booted, 60, "the guest boots")
        self.ask("ldconfig")

    def _booted(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            said = (self.root.parent / "console").read_text(errors="replace")
            pytest.skip(f"systemd-nspawn starts no container here: {said.strip()[-300:]}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            return False
        self._leader = int(children[0])
        state = self.ask("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    def ask(self, *words: str, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run in the guest, as root."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "--", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env={
                "PATH": "/opt/aries/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                "LANG": "C.UTF-8",
            },
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        return done

    def as_aries(self, *words: str) -> str:
        return self.ask("setpriv", "--reuid=aries", "--regid=aries", "--clear-groups", "--", *words).stdout

    def shows(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        asked = [f"--property={name}" for name in names]
        lines = self.ask("systemctl", "show", unit, *asked).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def pid_outside(self, unit: str) -> int:
        """The main process of ``unit``, by the number that it has on this machine."""
        inside = self.shows(unit, "MainPID")["MainPID"]
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                text = (folder / "status").read_text()
                found = re.search(r"^NSpid:\t\d+\t(\d+)$", text, re.MULTILINE)
                same = (folder / "ns/pid").readlink() == Path(f"/proc/{self._leader}/ns/pid").readlink()
            except OSError:
                continue
            if found and found[1] == inside and same:
                return int(folder.name)
        raise AssertionError(f"{unit} has no process")

    def journal(self, *more: str) -> str:
        return self.ask("journalctl", "--no-pager", "-o", "cat", *more).stdout

    def health(self, port: int = 8080) -> dict:
        """What ``/health/ready`` answers; {} where nothing does."""
        done = self.ask("curl", "-s", "-m", "5", f"http://127.0.0.1:{port}/health/ready", check=False)
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def check(self, name: str) -> tuple[str, str]:
        """(status, detail) of one line of health; empty where there is none."""
        found = [line for line in self.health().get("checks", ()) if line["name"] == name]
        return (found[0]["status"], found[0]["detail"]) if found else ("", "")

    def until(self, holds: Callable[[], object], timeout_s: float, what: str) -> None:
        end = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > end:
                text = self.journal("-n", "60") if self._leader else ""
                pytest.fail(f"it never came true that {what}\n{text}")
            time.sleep(0.2)

    def wait_off(self, timeout_s: float) -> None:
        """Until the guest has switched itself off."""
        assert self._process is not None
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the guest does not switch itself off\n{self.journal('-n', '60')}")

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            try:
                os.kill(self._leader or self._process.pid, signal.SIGKILL)
                self._process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        pytest.skip("a guest needs root and systemd-nspawn (apt-get install systemd-container)")
    made = Guest(tmp_path / "guest")
    yield made
    made.stop()


class Box:
    """The daemon in a guest, recording one simulated camera."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def start(self, **variables: str) -> None:
        """``variables``: of /etc/aries/appliance.env, without their prefix."""
        given = {"LISTEN": "127.0.0.1:8080", "SEGMENT_S": "2"} | variables
        lines = [f"APPLIANCE_{name}={value}\n" for name, value in given.items()]
        guest = self.guest
        guest.write("/etc/aries/appliance.env", "".join(lines))
        guest.write("/run-pw", PASSWORD)
        init = ("appliance", "init", "--data", "/var/lib/aries", "--admin-password-file", "/run-pw")
        guest.as_aries(*init)
        camera = ("--camera", "gate?size=320x180&fps=15&gop=1", "--listen", "127.0.0.1:5554")
        guest.ask("systemd-run", "--unit=gate", "/opt/aries/bin/simulator", *camera)
        url = "rtsp://127.0.0.1:5554/gate"
        guest.as_aries("appliance", "camera", "add", "--data", "/var/lib/aries", "Gate", url)
        guest.ask("systemctl", "start", "appliance.service")
        guest.until(lambda: guest.check("cameras")[0] == "ok" and self.bytes_recorded(), 60, "it records")

    def bytes_recorded(self) -> int:
        done = self.guest.ask(
            "sh", "-c", "du -sbc /var/lib/aries/recordings /mnt/disk/recordings | tail -1", check=False
        )
        return int(done.stdout.split()[0]) if done.stdout else 0

    def goes_on_recording(self) -> None:
        before = self.bytes_recorded()
        self.guest.until(lambda: self.bytes_recorded() > before + 20_000, 60, "it goes on recording")

    @property
    def restarts(self) -> int:
        return int(self.guest.shows("appliance", "NRestarts")["NRestarts"])


@pytest.fixture
def box(guest: Guest) -> Box:
    return Box(guest)
