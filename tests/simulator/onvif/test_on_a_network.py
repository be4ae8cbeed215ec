"""A fleet on a network interface of its own, not on loopback: multicast as between two machines."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
BOX, CAMERAS = f"box-{os.getpid()}", f"cams-{os.getpid()}"
# run beside the box: a fleet at the other end of the wire, and what is found of it
PROGRAM = f"""
import asyncio, json, subprocess, sys
from appliance.onvif.discovery import discover
command = ["ip", "netns", "exec", "{CAMERAS}", sys.executable, "-m", "appliance.simulator", "fleet",
           "--with-parent", "--cameras=4", "--network=10.77.0.0/24", "--discovery-on=10.77.0.11",
           "--fault=3=elsewhere"]
fleet = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
ready = json.loads(fleet.stdout.readline())
found = asyncio.run(discover(["10.77.0.1"], window_s=1.0))
there = [camera["address"] for camera in ready["cameras"]]
print(json.dumps({{"found": [one.address for one in found], "there": there}}))
fleet.stdin.close()
fleet.wait(5)
"""


def ip(*words: str, check: bool = True) -> int:
    return subprocess.run(["ip", *words], capture_output=True, check=check).returncode


@pytest.fixture
def wire() -> Iterator[None]:
    """Two network namespaces with a wire between them: the box's, and the cameras'."""
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is missing")
    try:
        for name in (BOX, CAMERAS):
            if ip("netns", "add", name, check=False):
                pytest.skip("making a network namespace is refused here")
        if ip(
            "-n",
            BOX,
            "link",
            "add",
            "eth0",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            CAMERAS,
            check=False,
        ):
            pytest.skip("the kernel has no virtual wires")
        ip("-n", BOX, "addr", "add", "10.77.0.1/24", "dev", "eth0")
        for address in (*(f"10.77.0.{host}" for host in range(11, 15)), "10.77.1.13"):
            ip("-n", CAMERAS, "addr", "add", f"{address}/24", "dev", "eth0")
        for name in (BOX, CAMERAS):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")
        yield
    finally:
        for name in (BOX, CAMERAS):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def test_cameras_on_an_interface_are_found_over_multicast(wire: None, root: Path) -> None:
    done = subprocess.run(
        ["ip", "netns", "exec", BOX, sys.executable, "-c", PROGRAM],
        capture_output=True, text=True, timeout=60, cwd=root, env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["there"] == ["10.77.0.11", "10.77.0.12", "10.77.1.13", "10.77.0.14"]
    assert said["found"] == ["10.77.0.11", "10.77.0.12", "10.77.0.14"]
