"""Addresses, and a way in where nobody gives one: on real interfaces of a network of its own."""

import itertools
import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.system.programs import Programs
from provisioning import places
from provisioning.places import Fallback, Wired

_numbers = itertools.count()


@given(st.binary(min_size=6, max_size=6))
def test_link_local_addresses_are_in_their_range(mac):
    parts = [int(part) for part in places.link_local(mac.hex(":")).split(".")]
    assert parts[:2] == [169, 254] and 1 <= parts[2] <= 254 and 0 <= parts[3] <= 255


def test_what_would_be_done_is_words():
    wired = Wired("eth0", "02:00:00:00:12:34", True, ())
    assert places.fallback(wired) == (
        ("ip", "address", "replace", "192.168.77.1/24", "dev", "eth0"),
        ("ip", "address", "replace", "169.254.19.52/16", "dev", "eth0", "scope", "link"),
    )
    assert places.no_fallback(wired)[0] == ("ip", "address", "del", "192.168.77.1/24", "dev", "eth0")


@pytest.fixture
def net():
    """A network namespace with eth0 (a cable to ``far``), eth1 (no cable) and a bridge."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    name = f"wiz{os.getpid()}-{next(_numbers)}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        pytest.skip("network namespaces are refused here")
    programs = Programs(("ip", "netns", "exec", name))
    for words in (
        "link add eth0 type veth peer name far",
        "link add eth1 type veth peer name far1",
        "link add br0 type bridge",
        "link set eth0 address 02:00:00:00:12:34",
        "link set lo up",
        "link set eth0 up",
        "link set far up",
    ):
        programs.must("ip", *words.split())
    yield programs
    subprocess.run(["ip", "netns", "del", name], check=True)


def test_cables_are_found(net):
    found = {wired.name: wired for wired in places.wired(net)}
    assert "br0" not in found and found["eth0"].has_carrier and not found["eth1"].has_carrier
    assert found["eth0"].mac == "02:00:00:00:12:34"


def test_it_takes_an_address_only_where_nobody_gives_one(net, clock):
    net.must("ip", "link", "del", "eth1")  # eth0 and far are left: the first is eth0 by number
    fallback = Fallback(net, clock)
    fallback.look()
    assert places.addresses(net) == ()
    clock.tick(14)
    fallback.look()
    assert places.addresses(net) == ()
    clock.tick(1)
    fallback.look()
    fallback.look()
    first = next(wired for wired in places.wired(net) if wired.has_carrier)
    assert set(places.addresses(net)) == {"192.168.77.1", places.link_local(first.mac)}
    net.must("ip", "address", "add", "10.9.8.7/24", "dev", "far")  # a lease
    assert places.addresses(net)[0] == "10.9.8.7"
    fallback.look()
    assert places.addresses(net) == ("10.9.8.7",)
    net.must("ip", "address", "del", "10.9.8.7/24", "dev", "far")
    fallback.look()
    assert places.addresses(net) == ()  # it waits again
    clock.tick(15)
    fallback.look()
    assert "192.168.77.1" in places.addresses(net)
    fallback.end()
    assert places.addresses(net) == ()


def test_begun_again_it_finds_its_own_address_no_reason_to_stop(net, clock):
    first = next(wired for wired in places.wired(net) if wired.has_carrier)
    for words in places.fallback(first):
        net.must(*words)  # of a wizard that was killed
    fallback = Fallback(net, clock)
    fallback.look()
    clock.tick(15)
    fallback.look()
    fallback.end()
    assert places.addresses(net) == ()


def test_without_the_right_it_says_so_once(clock, monkeypatch, caplog):
    monkeypatch.setattr(places, "wired", lambda _: (Wired("eth0", "02:00:00:00:12:34", True, ()),))
    fallback = Fallback(Programs(("false",)), clock)
    for _ in range(3):
        fallback.look()
        clock.tick(15)
    assert caplog.text.count("no address of its own") == 1
