"""A laboratory: a box and a hub in network namespaces of their own, a thin link that can be hurt between
them, a tunnel through it, and the hub's database and store of files. The test reaches both over a second
wire that nobody else uses.

    test ──10.66.x.0/30──┬── box's namespace ── link0 ═══ hurt here ═══ link1 ── hub's namespace (10.77.0.1)
                         └── the same for the hub        tunnel 10.99.0.0/24 through it
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stores import Objects, Postgres, sh
from whole import Line

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("ip", "tc", "nft", "wg", "wireguard-go")
TUN = Path("/dev/net/tun")
LINK = {"box": "10.77.0.2", "hub": "10.77.0.1"}
TUNNEL = {"box": "10.99.0.2", "hub": "10.99.0.1"}
WG_PORT = 51_820


class Host:
    """One namespace: what runs in it, and how the test reaches it (``address``)."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.space = name, f"lab{os.getpid()}{name}"
        self.wire = f"lab{os.getpid() % 10_000}{name[0]}"
        net = f"10.66.{os.getpid() % 120 * 2 + number}"  # two laboratories at once do not meet
        self.address, self.outside = f"{net}.2", f"{net}.1"
        self.link, self.tunnel = f"link{number}", f"wg{os.getpid() % 10_000}{name[0]}"
        self.processes: list[subprocess.Popen[bytes]] = []
        sh("ip", "netns", "add", self.space)
        sh("ip", "link", "add", self.wire, "type", "veth", "peer", "name", "wire", "netns", self.space)
        sh("ip", "addr", "add", f"{self.outside}/30", "dev", self.wire)
        sh("ip", "link", "set", self.wire, "up")
        self.ip("addr", "add", f"{self.address}/30", "dev", "wire")
        for device in ("lo", "wire"):
            self.ip("link", "set", device, "up")

    def ip(self, *words: str) -> str:
        return sh("ip", "-n", self.space, *words)

    def inside(self, *command: str | Path) -> list[str]:
        return ["ip", "netns", "exec", self.space, *map(str, command)]

    def run(
        self, *command: str | Path, check: bool = True, given: str | None = None, **variables: str
    ) -> str:
        return sh(*self.inside(*command), check=check, given=given, **variables)

    def start(self, *command: str | Path, log: Path, **variables: str) -> "subprocess.Popen[bytes]":
        with log.open("ab") as out:
            process = subprocess.Popen(
                self.inside(*command), stdout=out, stderr=out, start_new_session=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in sh("ip", "netns", "pids", self.space, check=False).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        sh("ip", "netns", "del", self.space, check=False)
        sh("ip", "link", "del", self.wire, check=False)


class Lab:
    """``box`` and ``hub``, joined. What hurts the link acts at the box's end of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.box, self.hub = Host("box", 1), Host("hub", 2)
        self.box.ip("link", "add", "link1", "type", "veth", "peer", "name", "link2", "netns", self.hub.space)
        for host, device in ((self.box, "link1"), (self.hub, "link2")):
            host.ip("addr", "add", f"{LINK[host.name]}/24", "dev", device)
            host.ip("link", "set", device, "up")
        self._moved = 0

    def raise_tunnel(self) -> None:
        """wireguard-go at both ends, the hub first; names differ, since sockets lie in one folder."""
        keys = {host.name: sh("wg", "genkey").strip() for host in (self.box, self.hub)}
        public = {name: sh("wg", "pubkey", given=key).strip() for name, key in keys.items()}
        for host in (self.hub, self.box):
            sh(*host.inside("wireguard-go", host.tunnel))
            key = self.folder / f"{host.name}.key"
            key.write_text(keys[host.name])
            host.run("wg", "set", host.tunnel, "private-key", key)
            host.ip("addr", "add", f"{TUNNEL[host.name]}/24", "dev", host.tunnel)
            host.ip("link", "set", host.tunnel, "up")
        of_box = (self.hub.tunnel, "listen-port", str(WG_PORT), "peer", public["box"])
        self.hub.run("wg", "set", *of_box, "allowed-ips", f"{TUNNEL['box']}/32")
        self._peer = public["hub"]
        self.box.run("wg", "set", self.box.tunnel, "peer", self._peer, "allowed-ips", f"{TUNNEL['hub']}/32",
                     "persistent-keepalive", "25")  # fmt: skip
        self.set_endpoint()

    def set_endpoint(self) -> None:
        """What the watchdog does when the box's own address has changed."""
        endpoint = f"{LINK['hub']}:{WG_PORT}"
        self.box.run("wg", "set", self.box.tunnel, "peer", self._peer, "endpoint", endpoint)

    # -- how a link is hurt -------------------------------------------------------------------

    def unplug(self) -> None:
        self.box.ip("link", "set", "link1", "down")

    def plug(self) -> None:
        self.box.ip("link", "set", "link1", "up")

    def drop(self, per_cent: int) -> None:
        """Lose so many of the packets that come in; 100: a black hole, with the carrier up."""
        which = f"numgen random mod 100 < {per_cent} drop" if per_cent < 100 else "drop"
        for host, device in ((self.box, "link1"), (self.hub, "link2"))[: 1 + (per_cent == 100)]:
            hook = f"{{ type filter hook ingress device {device} priority 0; }}"
            host.run("nft", "-f", "-", given=f"add table netdev lab\nflush table netdev lab\n"
                     f"add chain netdev lab in {hook}\nadd rule netdev lab in {which}\n")  # fmt: skip

    def deliver(self) -> None:
        """Lose nothing any more."""
        for host in (self.box, self.hub):
            host.run("nft", "delete", "table", "netdev", "lab", check=False)

    def narrow(self, kbit_s: int) -> None:
        """Both ways; what does not fit waits up to 400 ms and is lost."""
        for host, device in ((self.box, "link1"), (self.hub, "link2")):
            host.run("tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", f"{kbit_s}kbit",
                     "burst", "4kb", "latency", "400ms")  # fmt: skip

    def widen(self) -> None:
        for host, device in ((self.box, "link1"), (self.hub, "link2")):
            host.run("tc", "qdisc", "del", "dev", device, "root", check=False)

    def move(self) -> None:
        """The box gets another address, as after a new lease."""
        old, self._moved = self._own_address(), self._moved + 1
        self.box.ip("addr", "del", f"{old}/24", "dev", "link1")
        self.box.ip("addr", "add", f"{self._own_address()}/24", "dev", "link1")

    def _own_address(self) -> str:
        return LINK["box"] if self._moved == 0 else f"10.77.0.{10 + self._moved % 200}"

    def heal(self) -> None:
        self.plug()
        self.deliver()
        self.widen()

    def close(self) -> None:
        for host in (self.box, self.hub):
            host.close()


def wait_for(holds: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """The first truthy answer; exceptions of a peer that is not there count as not yet."""
    end, last = time.monotonic() + timeout_s, ""
    while time.monotonic() < end:
        try:
            if found := holds():
                return found
        except (OSError, ValueError) as error:
            last = str(error)
        time.sleep(0.2)
    return pytest.fail(f"{what} within {timeout_s} s ({last})")


def is_open(address: str, port: int) -> bool:
    with socket.create_connection((address, port), 1):
        return True


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or not TUN.exists() or os.geteuid() != 0:
        pytest.skip(f"needs root, /dev/net/tun and {', '.join(missing or NEEDED)}")
    laboratory = Lab(tmp_path)
    try:
        yield laboratory
    finally:
        laboratory.close()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's are too long for a socket
        server = Postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def chance() -> random.Random:
    """Of this run: the seed is printed, and can be given again."""
    seed = int(os.environ.get("CHANCE", "0")) or random.SystemRandom().randrange(1, 1 << 31)
    print(f"CHANCE={seed}")
    return random.Random(seed)


def python(*words: str | Path) -> Sequence[str | Path]:
    return (sys.executable, *words)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """Not started: where it runs is the laboratory's matter."""
    folder = tmp_path / "objects"
    folder.mkdir()
    return Objects(folder, ROOT)


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """Plain functions, for tests that may not import each other."""
    return SimpleNamespace(wait_for=wait_for, is_open=is_open, free_port=free_port, sh=sh, python=python)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def whole_line() -> Callable[..., Line]:
    return Line
