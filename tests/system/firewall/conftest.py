"""A box with four networks: LAN, cameras, a stand-in for the tunnel, and an uplink; a host on each."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.system.firewall import nft
from appliance.system.programs import Programs

PEER = Path(__file__).with_name("peer.py")
SIDES = ("lan", "cam", "tun", "wan")
SERVED = ("tcp/8443", "tcp/22", "tcp/9999", "udp/123", "udp/999", "udp/51820")


def sh(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def _why_not() -> str | None:
    for program in ("ip", "nft", "ping"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "rules are tried in network namespaces, which needs root"
    name = f"aries-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return "network namespaces are refused here"
    words = ["ip", "netns", "exec", name, "nft", "list", "ruleset"]
    refused = subprocess.run(words, capture_output=True).returncode
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return "this kernel has no nftables" if refused else None


class Networks:
    """``box`` is 10.60.N.1 and fd60:N::1 on each network, the host there .2 and ::2. It forwards, so that
    only the rules can stop it."""

    def __init__(self) -> None:
        tag = f"{os.getpid() % 100_000}"
        self.box = f"afw{tag}"
        self.hosts = {side: f"afw{tag}{side}" for side in SIDES}
        self.interfaces = {side: f"{side}{tag}" for side in SIDES}
        self.programs = Programs(("ip", "netns", "exec", self.box))
        self.children: list[subprocess.Popen[str]] = []

    def open(self) -> None:
        for space in (self.box, *self.hosts.values()):
            sh("ip", "netns", "add", space)
            sh("ip", "netns", "exec", space, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        for number, (side, host) in enumerate(self.hosts.items(), 1):
            inside = f"p{self.interfaces[side]}"
            sh("ip", "link", "add", self.interfaces[side], "type", "veth", "peer", "name", inside)
            for space, device, last in ((self.box, self.interfaces[side], 1), (host, inside, 2)):
                sh("ip", "link", "set", device, "netns", space)
                sh("ip", "-n", space, "addr", "add", f"10.60.{number}.{last}/24", "dev", device)
                sh("ip", "-n", space, "addr", "add", f"fd60:{number}::{last}/64", "dev", device, "nodad")
                sh("ip", "-n", space, "link", "set", device, "up")
            sh("ip", "-n", host, "route", "add", "default", "via", f"10.60.{number}.1")
            sh("ip", "-n", host, "-6", "route", "add", "default", "via", f"fd60:{number}::1")
            self._serve(host, "tcp/80", "udp/123", "udp/999")
        self._no_neighbours("tun")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            sh("ip", "netns", "exec", self.box, "sysctl", "-qw", f"{key}=1")
        sh("ip", "-n", self.box, "link", "set", "lo", "up")
        self._serve(self.box, *SERVED)

    def _no_neighbours(self, side: str) -> None:
        """A tunnel asks no one for a hardware address; its stand-in need not, either."""
        ends = [
            (self.box, self.interfaces[side], True),
            (self.hosts[side], f"p{self.interfaces[side]}", False),
        ]
        for (space, device, of_box), (other, its, _) in (ends, ends[::-1]):
            lladdr = json.loads(sh("ip", "-n", other, "-j", "link", "show", its))[0]["address"]
            address = self.address(side, of_box=not of_box, v6=True)
            sh(
                "ip",
                "-n",
                space,
                "-6",
                "neigh",
                "replace",
                address,
                "lladdr",
                lladdr,
                "dev",
                device,
                "nud",
                "permanent",
            )

    def _serve(self, space: str, *specs: str) -> None:
        words = ["ip", "netns", "exec", space, sys.executable, str(PEER), "serve", *specs]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

    def address(self, side: str, *, of_box: bool = False, v6: bool = False) -> str:
        number = SIDES.index(side) + 1
        return f"fd60:{number}::{1 if of_box else 2}" if v6 else f"10.60.{number}.{1 if of_box else 2}"

    def ask(self, side: str, *specs: str) -> dict[str, bool]:
        """From the host of ``side`` (``box``: from the box) to PROTOCOL/ADDRESS/PORT."""
        space = self.box if side == "box" else self.hosts[side]
        words = ["ip", "netns", "exec", space, sys.executable, str(PEER), "ask", *specs]
        return json.loads(sh(*words))

    def reaches(self, side: str, *, at: str | None = None) -> set[str]:
        """What of the box answers the host of ``side``, over IPv4 and IPv6 alike: ``v4`` or ``v6`` stands
        before what does over one of them only. ``at``: asked at its address on another network."""
        specs: dict[str, tuple[str, str]] = {}
        for family, v6 in (("v4", False), ("v6", True)):
            address = self.address(at or side, of_box=True, v6=v6)
            specs |= {f"{it.split('/')[0]}/{address}/{it.split('/')[1]}": (family, it) for it in SERVED}
            specs[f"ping/{address}/0"] = (family, "ping")
        yes = {specs[spec] for spec, answered in self.ask(side, *specs).items() if answered}
        both = {it for _, it in yes if ("v4", it) in yes and ("v6", it) in yes}
        return both | {f"{family} {it}" for family, it in yes if it not in both}

    def all_reach(self, *sides: str) -> dict[str, set[str]]:
        """``reaches`` of each, at the same time."""
        with ThreadPoolExecutor(len(sides)) as pool:
            return dict(zip(sides, pool.map(self.reaches, sides), strict=True))

    def cross(self, *pairs: tuple[str, str]) -> list[tuple[str, str]]:
        """Those of (from, to) where anything gets from one network to a host of the other."""

        def crosses(pair: tuple[str, str]) -> bool:
            both = [self.address(pair[1], v6=v6) for v6 in (False, True)]
            kinds = ("tcp/{}/80", "udp/{}/999", "udp/{}/123", "ping/{}/0")
            return any(self.ask(pair[0], *(kind.format(it) for it in both for kind in kinds)).values())

        with ThreadPoolExecutor(len(pairs)) as pool:
            return [pair for pair, yes in zip(pairs, pool.map(crosses, pairs), strict=True) if yes]

    def forget_neighbours(self) -> None:
        """So that they must be found anew, through the rules."""
        for space in (self.box, *self.hosts.values()):
            sh("ip", "-n", space, "neigh", "flush", "all")

    def count(self, chain: str, about: str) -> int:
        return sum(
            rule.packets for rule in nft.counted(self.programs) if rule.chain == chain and rule.about == about
        )

    def close(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
        for space in (*self.hosts.values(), self.box):
            subprocess.run(["ip", "netns", "del", space], capture_output=True)


@pytest.fixture(scope="session")
def can_filter() -> None:
    if (reason := _why_not()) is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def networks(can_filter: None) -> Iterator[Networks]:
    made = Networks()
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture
def box_dir(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("long enough for a test\n")
    (tmp_path / "password").chmod(0o600)
    folder = tmp_path / "box"
    assert main(["init", "--data", str(folder), "--admin-password-file", str(tmp_path / "password")]) == 0
    return folder


@pytest.fixture(autouse=True)
def _no_rules_from_before(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "networks" in request.fixturenames:
        nft.remove(request.getfixturevalue("networks").programs)
