"""What a wizard needs through the rules: cameras that answer when looked for and ask for an address, and
people who look for the box by its name.
"""

import subprocess
import sys

import pytest

from appliance.system.firewall import nft, render
from appliance.system.firewall.settings import FirewallSettings

CAMERA = """
import socket, struct, sys
here = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 3702))
group = socket.inet_aton("239.255.255.250") + socket.inet_aton(here)
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
print("ready", flush=True)
data, peer = s.recvfrom(1000)
s.sendto(b"here I am", peer)
s.sendto(b"and this is for another port", (peer[0], 999))
"""
BOX = """
import socket, sys
here = sys.argv[1]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(here))
s.bind((here, 0))
s.settimeout(2)

s.sendto(b"who is there", ("239.255.255.250", 3702))
try: print(s.recvfrom(1000)[0].decode())
except OSError: print("silence")
"""
MEMBER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
group = socket.inet_aton("224.0.0.251") + socket.inet_aton(sys.argv[1])
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
print("ready", flush=True)
sys.stdin.read()
"""
SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
s.bind((sys.argv[1], int(sys.argv[2])))
s.sendto(b"x", (sys.argv[3], int(sys.argv[4])))
"""


def inside(space, program, *words) -> list[str]:
    return ["ip", "netns", "exec", space, sys.executable, "-S", "-c", program, *map(str, words)]


@pytest.fixture
def put(networks):
    def put_in_force(**changes):
        names = networks.interfaces
        settings = FirewallSettings(enabled=True, lan=(names["lan"],), cameras=(names["cam"],), **changes)
        nft.apply(render.ruleset(settings), networks.programs)

    return put_in_force


@pytest.mark.parametrize("side", ["cam", "lan"])
def test_a_camera_that_is_looked_for_is_heard_and_only_where_it_was_asked(networks, put, side):
    put()
    own = networks.address(side, of_box=True)
    camera = subprocess.Popen(
        inside(networks.hosts[side], CAMERA, networks.address(side)), stdout=subprocess.PIPE, text=True
    )
    try:
        assert camera.stdout is not None and camera.stdout.readline() == "ready\n"
        done = subprocess.run(inside(networks.box, BOX, own), capture_output=True, text=True)
        assert done.stdout == "here I am\n"
        camera.wait(timeout=5)
        chain = "cameras" if side == "cam" else "lan"
        assert networks.count(chain, "cameras that this box looks for") == 1  # and not the other port's
    finally:
        camera.kill()
        camera.communicate()


def test_who_was_not_asked_is_not_heard(networks, put):
    put()
    words = networks.address("cam"), 3702, networks.address("cam", of_box=True), 40_000
    subprocess.run(inside(networks.hosts["cam"], SEND, *words), check=True)
    assert networks.count("cameras", "cameras that this box looks for") == 0


@pytest.mark.parametrize("opened", [True, False])
def test_addresses_and_names_only_where_they_are_wanted(networks, put, opened):
    put(dhcp=opened, mdns=opened)
    box = networks.address("cam", of_box=True)
    subprocess.run(inside(networks.hosts["cam"], SEND, networks.address("cam"), 68, box, 67), check=True)
    here = networks.address("lan")
    words = inside(networks.box, MEMBER, networks.address("lan", of_box=True))
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as member:
        assert member.stdout is not None and member.stdout.readline() == "ready\n"
        subprocess.run(inside(networks.hosts["lan"], SEND, here, 5353, "224.0.0.251", 5353), check=True)
        member.communicate()
    assert networks.count("cameras", "cameras ask for an address") == int(opened)
    assert networks.count("lan", "the box is found by its name") == int(opened)
