"""What every room's tests may use."""

import asyncio
import contextlib
import errno
import itertools
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from appliance.base.clock import ManualClock

# Two busy cores: a law is checked on a hundred cases, and slowness is no counter-example.
settings.register_profile(
    "house", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "forward"))  # what the line to the hub stands on
sys.path.insert(0, str(ROOT / "tests" / "hostile"))  # what two suites make bad models and packets with


class _ToldAtOnce:
    """A failure is printed when it happens: a run that is killed before its summary has told why."""

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\n{report.nodeid} failed in its {report.when}:")
            self._terminal.write_line(report.longreprtext)


@pytest.hookimpl(trylast=True)  # the terminal is there
def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_ToldAtOnce(config.pluginmanager.get_plugin("terminalreporter")))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(autouse=True)
def _no_box_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A variable of the developer's own box must not change what is tested."""
    for name in list(os.environ):
        if name.startswith("APPLIANCE_") and name != "APPLIANCE_ASSETS_PATH":
            monkeypatch.delenv(name)
    yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB of its own; skips where mounting is refused."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is refused here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def fill_up() -> Callable[[Path], None]:
    """Write until not one page is free."""

    def fill(folder: Path) -> None:
        for size in (1 << 20, 4096, 1):
            with (folder / "footage").open("ab", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    return fill


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real footage and models; skips where there is none."""
    named = [Path(part) for part in os.environ.get("APPLIANCE_ASSETS_PATH", "").split(":") if part]
    for folder in (*named, ROOT.parent / "shared" / "data"):
        if (folder / "footage").is_dir() and (folder / "models").is_dir():
            return folder
    pytest.skip("no folder with footage/ and models/ in APPLIANCE_ASSETS_PATH, none at ../shared/data")


@pytest.fixture(scope="session")
def slow_answers() -> Callable[[Any], Awaitable[None]]:
    """``await slow_answers(context)``: with SLOW_ANSWERS_MS=800 in the environment, half of what a page of
    that browser context fetches comes so much later, and its scripts. A test that reads a page before it is
    drawn, or clicks before a script listens, then fails here and not on a busy day."""
    late_ms = int(os.environ.get("SLOW_ANSWERS_MS", "0"))

    async def late(route: Any) -> None:
        if route.request.resource_type in ("fetch", "script") and random.random() < 0.5:
            await asyncio.sleep(late_ms / 1000)
        with contextlib.suppress(Exception):  # the page is gone
            await route.continue_()

    async def slow(context: Any) -> None:
        if late_ms:
            await context.route("**/*", late)

    return slow


_FLEETS = itertools.count()


class SimulatedFleet:
    """``cameras`` (name, maker, address, url, main, sub, serial, mac, endpoint, faults), ``user``,
    ``password``, ``group`` (of discovery), ``network``; ``order(camera, do, value)``."""

    def __init__(self, words: list[str], stderr: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "appliance.simulator", "fleet", "--with-parent", *words]
        with stderr.open("w") as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=environment
            )
        line = self._process.stdout.readline()
        assert line, stderr.read_text()
        ready = json.loads(line)
        self.user, self.password = ready["user"], ready["password"]
        self.group, self.network = tuple(ready["group"]), ready["network"]
        self.cameras = [SimpleNamespace(**camera) for camera in ready["cameras"]]

    def order(self, camera: str, do: str, value: str | float | None = None) -> dict[str, Any]:
        order = {"camera": camera, "do": do, "value": value}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _start_fleet(cameras: int, mixed: bool, faults: Any, words: Any, folder: Path) -> SimulatedFleet:
    number = next(_FLEETS)
    # of this process's own: other runs on this machine have their cameras elsewhere
    network = f"127.{60 + os.getpid() % 190}.{(os.getpid() // 190 % 15 * 8 + number * 2) % 250}.0/24"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        group_port = free.getsockname()[1]
    given = [f"--cameras={cameras}", f"--network={network}", f"--group-port={group_port}"]
    given += [f"--fault={camera}={fault}" for camera, fault in (faults or {}).items()]
    given += ["--mixed"] if mixed else []
    given += [] if _may_have_low_ports() else ["--http-port=8080", "--rtsp-port=8554"]
    return SimulatedFleet([*given, *words], folder / f"fleet-{number}.log")


@pytest.fixture
def start_fleet(tmp_path: Path) -> Iterator[Callable[..., SimulatedFleet]]:
    """``start_fleet(12, mixed=True, faults={3: "slow"}, words=["--main=640x360@5"])``: cameras on loopback
    addresses of their own, which end with the test. Discovery: probe ``fleet.group`` from 127.0.0.1."""
    fleets: list[SimulatedFleet] = []

    def start(cameras: int = 6, *, mixed: bool = False, faults=None, words=()) -> SimulatedFleet:
        fleets.append(_start_fleet(cameras, mixed, faults, words, tmp_path))
        return fleets[-1]

    yield start
    for fleet in fleets:
        fleet.close()


@pytest.fixture(scope="session")
def six_cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    """One of each maker, for tests that leave them as they found them."""
    fleet = _start_fleet(6, False, None, (), tmp_path_factory.mktemp("six"))
    yield fleet
    fleet.close()


def _may_have_low_ports() -> bool:
    with socket.socket() as plug:
        try:
            plug.bind(("127.59.59.59", 554))
        except OSError:
            return False
    return True


@pytest.fixture(scope="session")
def has_gst() -> None:
    python = Path("/usr/bin/python3")
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not python.exists() or subprocess.run([python, "-c", code], capture_output=True).returncode:
        pytest.skip(
            "gst-rtsp-server for Debian's Python is missing: apt-get install gir1.2-gst-rtsp-server-1.0"
        )


@pytest.fixture(scope="session")
def put_pack() -> Callable[..., Any]:
    """``put_pack(folder, kind, name)``: a pack that does what its kind says (``tests/hostile/packs.py``)."""
    pytest.importorskip("onnx", reason="hostile models are made with onnx")
    import packs

    return packs.put


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _part(number: int, body: bytes | str | int) -> bytes:
    """One protobuf field: a number, a text or a message."""
    if isinstance(body, int):
        return _varint(number << 3) + _varint(body)
    data = body.encode() if isinstance(body, str) else body
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _value(name: str, shape: tuple[int | str | None, ...], kind: int) -> bytes:
    sides = b"".join(
        _part(1, b"" if side is None else _part(1 if isinstance(side, int) else 2, side)) for side in shape
    )
    return _part(1, name) + _part(2, _part(1, _part(1, kind) + _part(2, sides)))


@pytest.fixture(scope="session")
def onnx_bytes():
    """``make(inputs, outputs, notes)``: an ONNX file without nodes; ports are (name, shape, kind)."""

    def make(inputs, outputs, notes=None, *, weights=()) -> bytes:
        graph = b"".join(_part(5, _part(8, name) + _part(9, b"\0" * 64)) for name in weights)
        graph += b"".join(_part(11, _value(*port)) for port in inputs)
        graph += b"".join(_part(12, _value(*port)) for port in outputs)
        props = b"".join(_part(14, _part(1, key) + _part(2, text)) for key, text in (notes or {}).items())
        return _part(1, 8) + _part(2, "made in a test") + _part(7, graph) + props

    return make
