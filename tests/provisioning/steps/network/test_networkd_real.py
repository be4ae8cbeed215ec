"""The step on systemd-networkd itself, in a namespace with a bus of its own: leases are asked for and given,
a VLAN comes and goes, a trial lies in /run and what was confirmed in /etc.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from appliance.system.network.settings import Port
from provisioning.steps.network.given import NetworkGiven

pytestmark = pytest.mark.long
MACHINE = Path(__file__).with_name("machine.py")

# DHCP (RFC 2131) as a camera speaks it: DISCOVER, OFFER, REQUEST, and what the ACK says.
CAMERA = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode())
s.bind(("0.0.0.0", 68))
s.settimeout(3)
mac = bytes.fromhex(sys.argv[2].replace(":", ""))
head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 7, 0, 0x8000) + bytes(16) + mac.ljust(16, bytes(1)) + bytes(192)
def ask(*options):
    words = b"".join(bytes((code, len(value))) + value for code, value in options)
    s.sendto(head + bytes.fromhex("63825363") + words + bytes((255,)), ("255.255.255.255", 67))
    answer = s.recv(1500)
    found, at = {}, 240
    while answer[at] != 255:
        found[answer[at]] = answer[at + 2 : at + 2 + answer[at + 1]]
        at += 2 + answer[at + 1]
    return answer[16:20], found
own, offer = ask((53, bytes((1,))), (55, bytes((1, 3, 6, 42))))
own, ack = ask((53, bytes((3,))), (50, own), (54, offer[54]), (55, bytes((1, 3, 6, 42))))
print(socket.inet_ntoa(own), sorted(code for code in ack if code in (3, 6)), socket.inet_ntoa(ack[42]))
"""


class Machine:
    def __init__(self, site, folder) -> None:
        words = ["ip", "netns", "exec", site.box, "unshare", "--mount", "--propagation", "private"]
        self.child = subprocess.Popen(
            [*words, sys.executable, str(MACHINE), str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.read()

    def read(self):
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line, "the machine is gone"
        return json.loads(line)

    def ask(self, verb, given=None):
        assert self.child.stdin is not None
        text = msgspec.json.encode(given).decode() if given is not None else ""
        self.child.stdin.write(f"{verb} {text}\n")
        self.child.stdin.flush()
        return self.read()

    def close(self) -> None:
        self.child.communicate(timeout=10)


@pytest.fixture
def machine(site, tmp_path):
    for program in ("dbus-daemon", "networkctl", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if not Path("/lib/systemd/systemd-networkd").exists():
        pytest.skip("systemd-networkd is not installed")
    made = Machine(site, tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def router(site, tmp_path):
    """A router of people's network, where the telephone is, that gives addresses."""
    if shutil.which("dnsmasq") is None:
        pytest.skip("dnsmasq is not installed")
    words = ["ip", "netns", "exec", site.phone, "dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null",
             f"--interface=p{site.up}", "--dhcp-range=10.61.1.50,10.61.1.60,1h", "--dhcp-option=3,10.61.1.2",
             f"--dhcp-leasefile={tmp_path}/leases"]  # fmt: skip
    child = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    yield
    child.terminate()
    child.wait()


def addresses(site, port) -> list[str]:
    words = ["ip", "-n", site.box, "-4", "-j", "addr", "show", "dev", port]
    done = subprocess.run(words, capture_output=True, text=True)
    found = json.loads(done.stdout or "[]")
    return [f"{one['local']}/{one['prefixlen']}" for link in found for one in link.get("addr_info", [])]


def soon(true, within_s=10.0) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.1)


def test_leases_are_asked_for_and_given_and_it_lasts(site, machine, router):
    cam = Port(site.cam, ("cameras",), address="192.168.50.1/24", pool="192.168.50.100-192.168.50.199")
    given = NetworkGiven((Port(site.up, ("uplink",)), cam))
    assert len(machine.ask("plan", given)) == 3
    assert machine.ask("apply", given) == "networkd"
    assert machine.ask("verify", given) == []  # with a lease, and a router that answers
    assert any(address.startswith("10.61.1.5") for address in addresses(site, site.up))
    assert addresses(site, site.cam) == ["192.168.50.1/24"]
    mac = subprocess.run(
        ["ip", "-n", site.field, "-j", "link", "show", f"p{site.cam}"], capture_output=True, text=True
    )
    words = [f"p{site.cam}", json.loads(mac.stdout)[0]["address"]]
    words = ["ip", "netns", "exec", site.field, sys.executable, "-S", "-c", CAMERA, *words]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout.startswith("192.168.50.1"), done.stderr
    assert done.stdout.endswith(" [] 192.168.50.1\n")  # no router, no name server; this box is the clock
    machine.ask("confirm")
    assert addresses(site, site.cam) == ["192.168.50.1/24"]
    assert machine.ask("plan", given) == []
    found = machine.ask("files")
    assert f"/etc/systemd/network/20-aries-{site.cam}.network" in found
    assert not [path for path in found if "trial" in path]


@pytest.fixture
def vlan(site) -> int:
    """50; 0 where this kernel has no VLANs: what comes back is tried all the same."""
    words = [
        "ip",
        "-n",
        site.field,
        "link",
        "add",
        "link",
        "lo",
        "name",
        "try.50",
        "type",
        "vlan",
        "id",
        "50",
    ]
    return 0 if "Unknown device type" in subprocess.run(words, capture_output=True, text=True).stderr else 50


def test_what_was_there_comes_back_and_the_vlan_goes(site, machine, vlan):
    before = NetworkGiven((Port(site.up, ("uplink",), address="10.61.1.1/24", gateway="10.61.1.2"),))
    machine.ask("apply", before)
    machine.ask("confirm")
    soon(site.reaches)
    wrong = NetworkGiven((
        Port(site.up, ("uplink",), address="10.16.1.1/24"),
        cam := Port(site.cam, ("cameras",), address="192.168.50.1/24", vlan=vlan),
    ))  # fmt: skip
    machine.ask("try", wrong)
    soon(lambda: addresses(site, cam.device) == ["192.168.50.1/24"])
    soon(lambda: not site.reaches())
    soon(site.reaches, 20)
    assert addresses(site, site.up) == ["10.61.1.1/24"]
    assert addresses(site, cam.device) == []
    found = machine.ask("files")
    assert [path for path in found if path.startswith("/etc/systemd")] == [
        f"/etc/systemd/network/20-aries-{site.up}.network"
    ]
    assert not [path for path in found if "trial-" in path and path.endswith(".network")]
