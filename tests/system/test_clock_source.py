"""Where the box has its time from: chrony's file, judged by chronyd; and chronyd serving cameras by it."""

import os
import shutil
import struct
import subprocess
import sys
import time

import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.system import clock_source, files
from appliance.system.clock_source import ClockSource, serving
from appliance.system.programs import Done, Programs

SOURCES = [
    ClockSource(),
    ClockSource(servers=("192.168.1.1", "fd00::1", "ntp.example.org")),
    ClockSource(kind="gps", servers=()),
    ClockSource(kind="gps", pps_device="/dev/pps0"),
    ClockSource(kind="hand", servers=()),
]


class Played(Programs, frozen=True):
    """Says ``text``; remembers what it was asked."""

    text: str = ""
    missing: tuple[str, ...] = ()
    words: list[tuple[str, ...]] = []

    def has(self, name: str) -> bool:
        return name not in self.missing

    def ask(self, *words: str, given: str | None = None, within_s: float = 0.0) -> Done:
        self.words.append(words)
        return Done(0, self.text, "")


@pytest.mark.parametrize("source", SOURCES)
def test_chronyd_takes_it(source, tmp_path):
    if shutil.which("chronyd") is None:
        pytest.skip("chrony is not installed")
    (tmp_path / "chrony.conf").write_text(clock_source.chrony_conf(source))
    done = subprocess.run(
        ["chronyd", "-p", "-f", str(tmp_path / "chrony.conf")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for host in source.servers if source.kind != "hand" else ():
        assert f" {host} iburst" in done.stdout


def test_a_box_without_the_internet_calls_nobody():
    for source in (ClockSource(kind="hand"), ClockSource(kind="gps", servers=())):
        text = clock_source.chrony_conf(source)
        assert "pool " not in text and "server " not in text and "local stratum 10" in text


@pytest.mark.parametrize(
    ("source", "field"),
    [
        (ClockSource(servers=()), "servers"),
        (ClockSource(servers=("a b",)), "servers"),
        (ClockSource(servers=("a\nallow all",)), "servers"),
        (ClockSource(servers=("x",) * 9), "servers"),
        (ClockSource(kind="gps", gps_device="/etc/passwd"), "gps_device"),
        (ClockSource(kind="gps", pps_device="/dev/pps0 allow"), "pps_device"),
    ],
)
def test_what_is_no_source_is_refused_at_its_field(source, field):
    with pytest.raises(ApplianceError) as refused:
        clock_source.chrony_conf(source)
    assert refused.value.field == field


def test_applied_twice_nothing_changes_and_nothing_is_restarted(tmp_path):
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    programs = Played(words=[])
    source = ClockSource(kind="gps")
    assert len(clock_source.plan(source, tmp_path)) == 2
    clock_source.apply(source, tmp_path, programs)
    assert [words[1:] for words in programs.words] == [
        ("restart", "gpsd.service"),
        ("restart", "chrony.service"),
    ]
    programs.words.clear()
    assert clock_source.plan(source, tmp_path) == ()
    clock_source.apply(source, tmp_path, programs)
    assert programs.words == []


def test_without_gpsd_nothing_is_written(tmp_path):
    with pytest.raises(ApplianceError, match="gpsd is not installed"):
        clock_source.apply(ClockSource(kind="gps"), tmp_path, Played(missing=("gpsd",)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "follows", "off_s"),
    [
        (
            "C0A80101,192.168.1.1,3,1700000000.0,-0.000012,0,0,1,0,0,0,0,64.0,Normal\n",
            "192.168.1.1",
            -0.000012,
        ),
        ("7F7F0101,,10,1700000000.0,0.0,0,0,0,0,0,0,0,0.0,Normal\n", "", None),
        ("00000000,,0,0.0,0.0,0,0,0,0,0,0,0,0.0,Not synchronised\n", "", None),
    ],
)
def test_what_it_follows(tmp_path, text, follows, off_s):
    found = clock_source.state(tmp_path, Played(text=text))
    assert (found.runs, found.follows, found.off_s) == (True, follows, off_s)


def test_by_hand():
    programs = Played(words=[])
    clock_source.set_by_hand(programs, 1_790_000_000 * SECOND_NS + 5)
    assert programs.words == [("date", "-u", "-s", "@1790000000.000000005")]
    with pytest.raises(ApplianceError):
        clock_source.set_by_hand(programs, 0)  # a telephone whose battery was flat
    assert len(programs.words) == 1


ASK = """
import socket, sys
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(float(sys.argv[2]))
asked.sendto(b"\\x23" + bytes(47), (sys.argv[1], 123))
try: print(asked.recv(48).hex())
except OSError: print("silence")
"""


@pytest.fixture
def networks():
    """A box with two ports, a camera behind one and somebody behind the other."""
    for program in ("ip", "chronyd"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    tag = os.getpid() % 100_000
    spaces = [f"acs{tag}{name}" for name in ("box", "cam", "lan")]
    if os.geteuid() != 0 or subprocess.run(["ip", "netns", "add", spaces[0]], capture_output=True).returncode:
        pytest.skip("network namespaces are refused here")
    try:
        for number, space in enumerate(spaces[1:], 1):
            subprocess.run(["ip", "netns", "add", space], check=True)
            names = f"b{tag}{number}", f"h{tag}{number}"
            words = ["ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1]]
            subprocess.run(words, check=True)
            for last, (name, of) in enumerate(zip(names, (spaces[0], space), strict=True), 1):
                subprocess.run(["ip", "link", "set", name, "netns", of], check=True)
                words = ["ip", "-n", of, "addr", "add", f"10.6{number}.0.{last}/24", "dev", name]
                subprocess.run(words, check=True)
                subprocess.run(["ip", "-n", of, "link", "set", name, "up"], check=True)
        yield spaces
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], capture_output=True)


def ask(space, address, wait_s) -> str:
    words = ["ip", "netns", "exec", space, sys.executable, "-S", "-c", ASK, address, str(wait_s)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_the_cameras_are_told_the_time_and_nobody_else(networks, tmp_path):
    """chronyd itself, which may not touch this machine's clock (-x), by the two files that we write."""
    box, cam, lan = networks
    for file in (*clock_source.wanted(ClockSource(kind="hand", servers=())), serving(("10.61.0.0/24",))):
        files.put(file, tmp_path)
    conf = tmp_path / "etc/chrony/chrony.conf"
    text = conf.read_text().replace("/etc/chrony/conf.d", str(tmp_path / "etc/chrony/conf.d"))
    conf.write_text(
        text.replace("/var/lib/chrony", str(tmp_path)).replace("rtcsync\n", "") + f"pidfile {tmp_path}/pid\n"
        f"bindcmdaddress /\n"
    )
    words = ["ip", "netns", "exec", box, "chronyd", "-x", "-d", "-u", "root", "-f", str(conf)]
    child = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        began = time.monotonic()
        while (answer := ask(cam, "10.61.0.1", 0.3)) == "silence":
            assert time.monotonic() - began < 10 and child.poll() is None
        assert len(answer) == 96
        seconds = struct.unpack("!I", bytes.fromhex(answer)[40:44])[0] - 2_208_988_800
        assert abs(seconds - time.time()) < 5
        assert bytes.fromhex(answer)[1] == clock_source.OWN_STRATUM
        assert ask(lan, "10.62.0.1", 0.5) == "silence"
    finally:
        child.terminate()
        child.communicate(timeout=5)


def test_an_allowed_network_is_a_network():
    with pytest.raises(ApplianceError):
        serving(("10.0.0.0/24\nallow all",))
    assert serving(()).text is None
