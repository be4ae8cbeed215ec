"""A box with two ports, and somebody who is connected to one of them: in network namespaces."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.base.clock import BoxClock
from appliance.system.programs import Programs
from provisioning.ground import Ground

SERVER = """
import socket
server = socket.create_server(("0.0.0.0", 8443))
while True: server.accept()[0].close()
"""
CLIENT = """
import socket, sys
try: socket.create_connection(("10.61.1.1", 8443), 0.3)
except OSError: sys.exit(1)
"""
BEFORE = "10.61.1.1/24"


def sh(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class NoDaemon:
    """The network needs nothing of the daemon but whether the folder is a box."""

    def __init__(self, is_box: bool = False) -> None:
        self.is_box = is_box


class Site:
    """``up`` has 10.61.1.1/24 and a way out by 10.61.1.2, which is the installer's telephone; ``cam`` has
    no address."""

    def __init__(self) -> None:
        tag = f"{os.getpid() % 100_000}"
        self.box, self.phone, self.field = f"anb{tag}", f"anp{tag}", f"anc{tag}"
        self.up, self.cam = f"up{tag}", f"cam{tag}"
        self.programs = Programs(("ip", "netns", "exec", self.box))
        self.server: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        for space in (self.box, self.phone, self.field):
            sh("ip", "netns", "add", space)
            sh("ip", "-n", space, "link", "set", "lo", "up")
        for port, space in ((self.up, self.phone), (self.cam, self.field)):
            sh("ip", "link", "add", port, "type", "veth", "peer", "name", f"p{port}")
            sh("ip", "link", "set", port, "netns", self.box)
            sh("ip", "link", "set", f"p{port}", "netns", space)
            sh("ip", "-n", space, "link", "set", f"p{port}", "up")
        sh("ip", "-n", self.phone, "addr", "add", "10.61.1.2/24", "dev", f"p{self.up}")
        self.reset()
        words = ["ip", "netns", "exec", self.box, sys.executable, "-c", SERVER]
        self.server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def reset(self) -> None:
        for port in (self.up, self.cam):
            sh("ip", "-n", self.box, "addr", "flush", "dev", port)
        sh("ip", "-n", self.box, "addr", "add", BEFORE, "broadcast", "+", "dev", self.up)
        sh("ip", "-n", self.box, "link", "set", self.up, "up")
        sh("ip", "-n", self.box, "route", "replace", "default", "via", "10.61.1.2", "dev", self.up)

    def reaches(self) -> bool:
        """Does the telephone still get an answer from the box, where it was?"""
        words = ["ip", "netns", "exec", self.phone, sys.executable, "-S", "-c", CLIENT]
        return subprocess.run(words, capture_output=True).returncode == 0

    def kernel(self) -> str:
        """All IPv4 addresses and routes of the box, as the kernel writes them."""
        addresses = json.loads(sh("ip", "-n", self.box, "-4", "-j", "addr"))
        found = [(one["ifname"], "UP" in one["flags"], one["addr_info"]) for one in addresses]
        return json.dumps(found) + sh("ip", "-n", self.box, "-4", "route")

    def close(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait()
        for space in (self.box, self.phone, self.field):
            subprocess.run(["ip", "netns", "del", space], capture_output=True)


@pytest.fixture(scope="module")
def opened() -> Iterator[Site]:
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need ip(8) and root")
    name = f"anx{os.getpid() % 100_000}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        pytest.skip("network namespaces are refused here")
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    made = Site()
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture
def site(opened: Site) -> Site:
    opened.reset()
    return opened


@pytest.fixture
def ground(site: Site, tmp_path: Path) -> Ground:
    data = tmp_path / "data"
    data.mkdir()
    return Ground(data, BoxClock(), site.programs, NoDaemon(), tmp_path / "root", tmp_path / "run")
