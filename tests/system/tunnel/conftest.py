"""A box and a hub in network namespaces of their own, joined by veth, with real WireGuard between them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.cli import main
from appliance.daemon.stores import open_appliance
from appliance.store.sealing import Sealer
from appliance.system.programs import Programs
from appliance.system.tunnel import kept, keys, uapi
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.state import TunnelState

OUTER_BOX, OUTER_HUB = "10.77.0.1", "10.77.0.2"
INNER_BOX, INNER_HUB = "10.88.0.1", "10.88.0.2"
PORT, WEB = 51_820, 8_080


def sh(*words: str, given: str | None = None) -> str:
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def _why_not() -> str | None:
    for program in ("ip", "ping", "wireguard-go", "wg"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK):
        return "making tunnels needs root and /dev/net/tun"
    name = f"aries-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return "network namespaces are refused here"
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return None


class TwoHosts:
    """``box`` and ``hub``: namespaces. The hub's end is wireguard-go and a web server; the box's end is
    up to the test."""

    def __init__(self, folder: Path) -> None:
        tag = f"{os.getpid() % 100_000}"
        self.folder, self.data = folder, folder / "box"
        self.box, self.hub = f"abox{tag}", f"ahub{tag}"
        self.box_dev, self.hub_dev = f"wgb{tag}", f"wgh{tag}"
        self.box_veth, self.hub_veth = f"vb{tag}", f"vh{tag}"
        self.hub_keys = keys.make()
        self.children: list[subprocess.Popen[bytes]] = []
        self.runner: subprocess.Popen[bytes] | None = None

    # -- what is there before the box's end --------------------------------------------------------

    def open(self) -> None:
        for name in (self.box, self.hub):
            sh("ip", "netns", "add", name)
            sh("ip", "-n", name, "link", "set", "lo", "up")
        sh("ip", "link", "add", self.box_veth, "type", "veth", "peer", "name", self.hub_veth)
        for name, veth, address in (
            (self.box, self.box_veth, OUTER_BOX),
            (self.hub, self.hub_veth, OUTER_HUB),
        ):
            sh("ip", "link", "set", veth, "netns", name)
            sh("ip", "-n", name, "addr", "add", f"{address}/24", "dev", veth)
            sh("ip", "-n", name, "link", "set", veth, "up")
        Path(f"/etc/netns/{self.box}").mkdir(parents=True)
        self.name_is(OUTER_HUB)
        self.make_box()
        self.open_hub()

    def name_is(self, address: str) -> None:
        """What hub.test is to the box: `ip netns exec` binds this file over /etc/hosts."""
        path = Path(f"/etc/netns/{self.box}/hosts")
        path.write_text(f"127.0.0.1 localhost\n{address} hub.test\n")  # in place: it is bind-mounted

    def make_box(self) -> None:
        password = self.folder / "password"
        password.write_text("long enough for a test\n")
        password.chmod(0o600)
        assert main(["init", "--data", str(self.data), "--admin-password-file", str(password)]) == 0
        self.sealer = Sealer.from_dir(self.data / "secrets")
        self.box_keys = self.write(lambda conn: kept.ensure_keys(conn, self.sealer))

    def write(self, work: Callable) -> object:
        """One transaction beside whatever runs, as a command would."""
        db = open_appliance(self.data)
        try:
            return db.write_now(work)
        finally:
            db.close()

    def configure(self, **changes: object) -> TunnelConfig:
        config = TunnelConfig(
            address=f"{INNER_BOX}/24", peer_key=self.hub_keys.public, endpoint=f"hub.test:{PORT}",
            allowed_ips=(f"{INNER_HUB}/32",), probe=f"{INNER_HUB}:{WEB}", interface=self.box_dev,
        )  # fmt: skip
        config = msgspec.structs.replace(config, **changes)
        self.write(lambda conn: kept.configure(conn, self.sealer, config, self.hub_keys.preshared))
        return config

    def open_hub(self) -> None:
        """First, and with another name of interface: the sockets of both lie in one folder."""
        self.hub_keys = keys.with_preshared(self.hub_keys, keys.make().current)
        self.spawn(self.hub, "wireguard-go", "-f", self.hub_dev)
        until = time.monotonic() + 5
        while not uapi.path_of(self.hub_dev).exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        self.hub_knows(self.box_keys.public)
        uapi.set_(
            self.hub_dev,
            [("private_key", keys.WireguardKey(self.hub_keys.current).hex), ("listen_port", str(PORT))],
        )
        sh("ip", "-n", self.hub, "addr", "add", f"{INNER_HUB}/24", "dev", self.hub_dev)
        sh("ip", "-n", self.hub, "link", "set", self.hub_dev, "up")
        server = [sys.executable, "-m", "http.server", "--bind", INNER_HUB, str(WEB), "-d", str(self.folder)]
        self.spawn(self.hub, *server)

    def hub_knows(self, public: str) -> None:
        """The hub takes this key for the box's inner address; keys of before lose it."""
        preshared = keys.WireguardKey(self.hub_keys.preshared).hex
        lines = [("public_key", keys.WireguardKey(public).hex), ("preshared_key", preshared)]
        uapi.set_(self.hub_dev, [*lines, ("allowed_ip", f"{INNER_BOX}/32")])

    # -- the box's end -----------------------------------------------------------------------------

    def start_runner(self, *, only_net_admin: bool = False) -> None:
        words = [sys.executable, "-m", "appliance", "tunnel", "run", "--data", str(self.data)]
        if only_net_admin:
            rights = ["--bounding-set", "-all,+net_admin", "--inh-caps", "-all,+net_admin"]
            words = ["setpriv", *rights, "--ambient-caps", "-all,+net_admin", "--no-new-privs", *words]
        self.runner = self.spawn(self.box, *words, log=self.folder / "runner.log")

    def start_daemon(self) -> None:
        """Without cameras there is nothing to look at: no child for it."""
        words = [
            sys.executable,
            "-m",
            "appliance",
            "run",
            "--data",
            str(self.data),
            "--listen",
            "127.0.0.1:0",
        ]
        self.runner = self.spawn(self.box, *words, "--detector", "motion", log=self.folder / "runner.log")

    def programs(self) -> Programs:
        return Programs(("ip", "netns", "exec", self.box))

    def state(self) -> TunnelState | None:
        try:
            return msgspec.json.decode((self.data / "tunnel.json").read_bytes(), type=TunnelState)
        except FileNotFoundError:
            return None

    def spawn(self, space: str, *words: str, log: Path | None = None) -> "subprocess.Popen[bytes]":
        with (log or self.folder / "children.log").open("ab") as out:
            child = subprocess.Popen(["ip", "netns", "exec", space, *words], stdout=out, stderr=out)
        self.children.append(child)
        return child

    def run_beside(self) -> "subprocess.CompletedProcess[str]":
        words = ["ip", "netns", "exec", self.box, sys.executable, "-m", "appliance", "tunnel", "run"]
        return subprocess.run([*words, "--data", str(self.data)], capture_output=True, text=True, timeout=20)

    def ip(self, *words: str) -> str:
        """In the box's namespace."""
        return sh("ip", "-n", self.box, *words)

    def has_interface(self) -> bool:
        return self.box_dev in self.ip("-o", "link")

    # -- packets -----------------------------------------------------------------------------------

    def serve_in_box(self, *ports: int) -> None:
        for port in ports:
            self.spawn(self.box, sys.executable, "-m", "http.server", str(port), "-d", "/var/empty")
            code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
            self.until(lambda code=code: self._python(self.box, code), 10)

    def hub_opens(self, port: int) -> bool:
        return self._python(self.hub, f"import socket; socket.create_connection(('{INNER_BOX}', {port}), 1)")

    def _python(self, space: str, code: str) -> bool:
        words = ["ip", "netns", "exec", space, sys.executable, "-c", code]
        return subprocess.run(words, capture_output=True).returncode == 0

    def passes(self, within_s: float = 1.0) -> bool:
        """One packet there and back, through the tunnel."""
        words = ["ip", "netns", "exec", self.box, "ping", "-c", "1", "-W", f"{within_s}", INNER_HUB]
        return subprocess.run(words, capture_output=True).returncode == 0

    def until(self, true: Callable[[], object], within_s: float) -> float:
        """Seconds that it took; fails where it does not come."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < within_s, (self.state(), self.said())
            time.sleep(0.05)
        return time.monotonic() - began

    def said(self) -> str:
        path = self.folder / "runner.log"
        return path.read_text()[-4000:] if path.exists() else ""

    def link(self, how: str) -> None:
        sh("ip", "-n", self.box, "link", "set", self.box_veth, how)

    def black_hole(self, on: bool) -> None:
        """What comes to the hub is lost before it gets there; no link goes down."""
        hook = f"type filter hook ingress device {self.hub_veth} priority 0\npolicy drop"
        text = f"table netdev dark {{\nchain dark {{\n{hook}\n}}\n}}" if on else "delete table netdev dark"
        sh("ip", "netns", "exec", self.hub, "nft", "-f", "-", given=text + "\n")

    def shakes_hands(self) -> bool:
        """A handshake just now, though nobody sends anything: the box's tunnel does it by itself."""
        peers = uapi.figures(self.hub_dev, keys.WireguardKey(self.box_keys.public).hex)
        return time.time() - peers.handshake_s < 15

    def wireguard_pid(self) -> int:
        found = sh("pgrep", "-f", f"^wireguard-go -f {self.box_dev}$").split()
        assert len(found) == 1
        return int(found[0])

    def close(self) -> None:
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for space in (self.box, self.hub):
            for device in (self.box_dev, self.hub_dev):
                subprocess.run(["ip", "-n", space, "link", "del", device], capture_output=True)
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        for device in (self.box_dev, self.hub_dev):
            uapi.path_of(device).unlink(missing_ok=True)
        shutil.rmtree(f"/etc/netns/{self.box}", ignore_errors=True)


@pytest.fixture(scope="session")
def can_tunnel() -> None:
    if (reason := _why_not()) is not None:
        pytest.skip(reason)


@pytest.fixture
def hosts(can_tunnel: None, tmp_path: Path) -> Iterator[TwoHosts]:
    made = TwoHosts(tmp_path)
    try:
        made.open()
        yield made
    finally:
        made.close()
