"""What a tunnel may be made from, and what it would cut off."""

import base64
import ipaddress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.system.tunnel.config import TunnelConfig, check, host_port
from appliance.system.tunnel.routes import Around, around, check_routes

KEY = base64.b64encode(bytes(range(32))).decode()  # told apart by name: the same in each process
GOOD = TunnelConfig("10.90.0.7/24", KEY, "hub.example.org:51820", ("10.90.0.1/32",), "10.90.0.1:8443")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"endpoint": "203.0.113.9:51820"},
        {"endpoint": "[2001:db8::1]:51820"},
        {"address": "fd00:90::7/64", "allowed_ips": ("fd00:90::1/128",), "probe": "[fd00:90::1]:443"},
        {"probe": ""},
        {"dns": "10.90.0.1", "keepalive_s": 0, "listen_port": 51_820, "interface": "wg-hub.1"},
        {"allowed_ips": ("10.90.0.1/32", "fd00:90::1/128")},
    ],
)
def test_what_hubs_offer_is_taken(changes):
    found = msgspec.structs.replace(GOOD, **changes)
    assert check(found) is found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("allowed_ips", ("0.0.0.0/0",)),
        ("allowed_ips", ("::/0",)),
        ("allowed_ips", ("0.0.0.0/1", "128.0.0.0/1")),  # the usual way to say the same
        ("allowed_ips", ("128.0.0.0/1",)),
        ("allowed_ips", ("8.0.0.0/7",)),
        ("allowed_ips", ("2000::/3",)),
        ("allowed_ips", ("10.90.0.1/24",)),  # host bits
        ("allowed_ips", ("127.0.0.1/32",)),
        ("allowed_ips", ("169.254.1.1/32",)),
        ("allowed_ips", ("224.0.0.1/32",)),
        ("allowed_ips", ()),
        ("allowed_ips", ("10.90.0.1/32\nPostUp = reboot",)),
        ("address", "10.90.0.7"),
        ("address", "10.90.0.7/24\nPostUp = reboot"),
        ("address", "127.0.0.1/8"),
        ("peer_key", "short"),
        ("peer_key", KEY + "\n"),
        ("peer_key", KEY[:-2] + "B="),  # bits that no 32 bytes have
        ("endpoint", "hub.example.org"),
        ("endpoint", "hub.example.org:0"),
        ("endpoint", "2001:db8::1:51820"),
        ("endpoint", "hub example:1"),
        ("endpoint", "-hub:1"),
        ("endpoint", "hub:51820\n"),
        ("probe", "8.8.8.8:53"),
        ("probe", "hub.example.org:443"),
        ("keepalive_s", -1),
        ("listen_port", 70_000),
        ("mtu_bytes", 500),
        ("interface", "a b"),
        ("interface", "../eth0"),
        ("interface", "sixteen-letters-"),
        ("dns", "resolver"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_field(field, value):
    with pytest.raises(ApplianceError) as caught:
        check(msgspec.structs.replace(GOOD, **{field: value}))
    assert (caught.value.kind, caught.value.field) == ("invalid", field)
    assert caught.value.hint


def test_a_key_that_was_pasted_wrongly_is_not_in_the_error():
    with pytest.raises(ApplianceError) as caught:
        check(msgspec.structs.replace(GOOD, peer_key="this may have been the private one"))
    assert "private one" not in str(caught.value)


@given(st.text(max_size=60))
def test_an_endpoint_is_read_as_it_is_written_or_refused(text):
    try:
        host, port = host_port(text, "endpoint")
    except ApplianceError:
        return
    assert text in (f"{host}:{port}", f"[{host}]:{port}") or text.endswith(f":{text.rsplit(':')[-1]}")
    assert not set(host) & set(" \n\t/\"'{}#;[]")


NETWORKS = st.ip_addresses(v=4).flatmap(
    lambda address: st.integers(8, 32).map(
        lambda bits: ipaddress.ip_network((int(address) >> (32 - bits) << (32 - bits), bits))
    )
)


@given(NETWORKS, NETWORKS)
def test_nothing_that_shares_an_address_with_the_lan_is_routed(route, lan):
    found = msgspec.structs.replace(GOOD, allowed_ips=(str(route),), address="10.255.255.254/32")
    around = Around((("eth0", lan),))
    own = ipaddress.ip_address("10.255.255.254")
    shares = (route[0] <= lan[-1] and lan[0] <= route[-1]) or own in lan
    if not shares:
        check_routes(found, around)
        return
    with pytest.raises(ApplianceError) as caught:
        check_routes(found, around)
    assert caught.value.kind == "conflict"
    assert "eth0" in str(caught.value)


def test_neither_the_way_out_nor_the_endpoint_itself_is_routed():
    gateway = Around(gateways=(ipaddress.ip_address("10.90.0.1"),))
    with pytest.raises(ApplianceError, match="way to the internet"):
        check_routes(GOOD, gateway)
    with pytest.raises(ApplianceError, match="endpoint's own address"):
        check_routes(GOOD, Around(), "10.90.0.1")
    check_routes(GOOD, Around(), "203.0.113.9")


def test_only_our_own_address_is_on_the_interface():
    assert str(GOOD.own) == "10.90.0.7/32"  # with /24 the other boxes' addresses would be routed, too


def test_networks_are_read_from_the_machine(hosts):
    hosts.ip("route", "add", "10.200.0.0/16", "via", "10.77.0.99")
    hosts.ip("route", "add", "default", "via", "10.77.0.98")
    found = around(hosts.programs(), hosts.box_dev)
    assert (hosts.box_veth, ipaddress.ip_network("10.77.0.0/24")) in found.networks
    assert (hosts.box_veth, ipaddress.ip_network("10.200.0.0/16")) in found.networks
    assert found.gateways == (ipaddress.ip_address("10.77.0.98"),)
    with pytest.raises(ApplianceError, match=r"overlaps 10\.200\.0\.0/16"):
        check_routes(msgspec.structs.replace(GOOD, allowed_ips=("10.200.3.4/32",), probe=""), found)
