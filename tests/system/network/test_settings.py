"""What ports may be: each slip of the pen is refused with its field, before anything is changed."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.system.network.settings import NetworkSettings, Port, check

UP = Port("eth0", ("uplink",))
CAM = Port("eth1", ("cameras",), address="192.168.50.1/24")


def with_cam(**changes) -> tuple[Port, ...]:
    return UP, Port(**{"name": "eth1", "roles": ("cameras",), "address": "192.168.50.1/24"} | changes)


@pytest.mark.parametrize(
    ("ports", "field"),
    [
        ((CAM,), "ports"),  # nobody reaches the screen
        ((UP, UP), "ports.1.name"),
        ((Port("eth0; rm", ("uplink",)),), "ports.0.name"),
        ((Port("lo", ("uplink",)),), "ports.0.name"),
        (with_cam(address="192.168.50.1"), "ports.1.address"),
        (with_cam(address="192.168.50.0/24"), "ports.1.address"),
        (with_cam(address="192.168.50.255/24"), "ports.1.address"),
        (with_cam(address="127.0.0.1/8"), "ports.1.address"),
        (with_cam(address="192.168.50.1/31"), "ports.1.address"),
        (with_cam(address="fd00::1/64"), "ports.1.address"),
        (with_cam(address="10.0.0.1/24\n[Match]"), "ports.1.address"),
        (with_cam(gateway="192.168.50.2"), "ports.1.gateway"),
        (with_cam(vlan=4095), "ports.1.vlan"),
        (with_cam(roles=("cameras", "cameras")), "ports.1.roles"),
        (with_cam(pool="192.168.50.100"), "ports.1.pool"),
        (with_cam(pool="192.168.50.200-192.168.50.100"), "ports.1.pool"),
        (with_cam(pool="192.168.50.1-192.168.50.9"), "ports.1.pool"),
        (with_cam(pool="192.168.51.5-192.168.51.9"), "ports.1.pool"),
        (with_cam(pool="192.168.50.100-192.168.50.255"), "ports.1.pool"),
        (with_cam(pool="192.168.50.100-192.168.50.110", address="dhcp"), "ports.1.pool"),
        (with_cam(dns=("dns.example",)), "ports.1.dns"),
        ((Port("eth0", ("uplink",), address="192.168.50.9/16"), CAM), "ports.1.address"),
        ((Port("eth0", ("uplink",), address="10.0.0.2/24", gateway="10.0.1.1"),), "ports.0.gateway"),
        ((Port("eth0", ("uplink",), address="10.0.0.2/24", gateway="10.0.0.2"),), "ports.0.gateway"),
        ((Port("a-very-long-nic", ("uplink",), vlan=12),), "ports.0.vlan"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(ports, field):
    with pytest.raises(ApplianceError) as refused:
        check(NetworkSettings(ports))
    assert refused.value.kind == "invalid" and refused.value.field == field
    assert refused.value.hint


@pytest.mark.parametrize(
    "ports",
    [
        (),
        (UP,),
        (UP, CAM),
        (Port("eth0", ("uplink", "cameras")),),
        (UP, Port("eth0", ("cameras",), address="10.9.0.1/16", vlan=50)),
        with_cam(pool="192.168.50.100-192.168.50.199"),
        with_cam(roles=()),
        (Port("eth0", ("uplink",), address="10.0.0.2/24", gateway="10.0.0.1", dns=("9.9.9.9",)), CAM),
    ],
)
def test_what_can_be_is_taken_as_it_is(ports):
    assert check(NetworkSettings(ports)).ports == ports
