"""What each port of the machine is for, and its address."""

import ipaddress
from ipaddress import IPv4Address, IPv4Interface
from typing import Literal

import msgspec

from appliance.base.errors import invalid
from appliance.system.tunnel.config import check_interface

MOST_PORTS, MOST_DNS = 16, 4
LONGEST_NAME = 15  # IFNAMSIZ less its end

Role = Literal["uplink", "cameras"]


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``name``: of the machine (``ip link``). ``roles``: ``uplink`` (people and the way out), ``cameras``,
    both, or none: not used. ``address``: ``dhcp`` or ``192.168.50.1/24``. ``gateway``, ``dns``: of an uplink
    with an address of its own. ``vlan``: 1 to 4094, on top of ``name``; 0: untagged. ``pool``: addresses
    that the box gives to the cameras, ``192.168.50.100-192.168.50.199``; empty: it gives none."""

    name: str
    roles: tuple[Role, ...] = ()
    address: str = "dhcp"
    gateway: str = ""
    dns: tuple[str, ...] = ()
    vlan: int = 0
    pool: str = ""

    @property
    def device(self) -> str:
        """The interface that bears the address."""
        return f"{self.name}.{self.vlan}" if self.vlan else self.name

    @property
    def static(self) -> IPv4Interface | None:
        return None if self.address == "dhcp" or not self.roles else IPv4Interface(self.address)

    @property
    def cameras_only(self) -> bool:
        return self.roles == ("cameras",)


class NetworkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No ``ports``: the network stays as it is."""

    ports: tuple[Port, ...] = ()


def check(found: NetworkSettings) -> NetworkSettings:
    """As it came. Raises ``invalid`` with the field (``ports.1.gateway``)."""
    if len(found.ports) > MOST_PORTS:
        raise invalid(f"{len(found.ports)} ports", f"name at most {MOST_PORTS}", field="ports")
    for number, port in enumerate(found.ports):
        _check_port(port, f"ports.{number}")
    _check_together(found)
    return found


def _check_together(found: NetworkSettings) -> None:
    seen: dict[str, int] = {}
    for number, port in enumerate(found.ports):
        if port.device in seen:
            raise invalid(
                f"{port.device} is named twice",
                "one port, one entry: it may be uplink and cameras at once",
                field=f"ports.{number}.name",
            )
        seen[port.device] = number
        for other in found.ports[:number]:
            if port.static and other.static and port.static.network.overlaps(other.static.network):
                raise invalid(
                    f"{port.device} and {other.device} would be in the same network {other.static.network}",
                    "give the cameras a network of their own, for example 192.168.50.1/24",
                    field=f"ports.{number}.address",
                )
    if found.ports and not any("uplink" in port.roles for port in found.ports):
        raise invalid(
            "nobody could reach the screen any more",
            "give one port the role uplink: where people are, with or without the internet",
            field="ports",
        )


def _check_port(port: Port, field: str) -> None:
    check_interface(port.name, f"{field}.name")
    if port.name == "lo":
        raise invalid("lo is this machine itself", "name a network's port", field=f"{field}.name")
    if not 0 <= port.vlan <= 4094:
        raise invalid(f"VLAN {port.vlan}", "1 to 4094, or 0 for none", field=f"{field}.vlan")
    if len(port.device) > LONGEST_NAME:
        raise invalid(f"{port.device} is too long a name", "choose another port", field=f"{field}.vlan")
    if len(set(port.roles)) != len(port.roles):
        raise invalid("a role is named twice", "uplink, cameras, or both", field=f"{field}.roles")
    own = None if port.address == "dhcp" or not port.roles else _own(port.address, f"{field}.address")
    if port.gateway:
        _check_gateway(port, own, f"{field}.gateway")
    if len(port.dns) > MOST_DNS:
        raise invalid(f"{len(port.dns)} name servers", f"name at most {MOST_DNS}", field=f"{field}.dns")
    for server in port.dns:
        _address(server, f"{field}.dns")
    if port.pool:
        _check_pool(port, own, f"{field}.pool")


def _own(text: str, field: str) -> IPv4Interface:
    hint = "write dhcp, or an address with its network, for example 192.168.50.1/24"
    try:
        own = IPv4Interface(text)
    except ValueError as error:
        raise invalid(f"{text[:40]!r} is no address", hint, field=field) from error
    if "/" not in text or not 8 <= own.network.prefixlen <= 30:
        raise invalid(f"{text[:40]} does not say how large its network is", hint, field=field)
    if own.ip in (own.network.network_address, own.network.broadcast_address):
        raise invalid(f"{own} is the network itself, no address in it", hint, field=field)
    if own.ip.is_multicast or own.ip.is_loopback or own.ip.is_unspecified or own.ip.is_reserved:
        raise invalid(f"{own} is no address of a machine", hint, field=field)
    return own


def _address(text: str, field: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise invalid(
            f"{text[:40]!r} is no address", "write it as 192.168.1.1", field=field
        ) from error  # fmt: skip


def _check_gateway(port: Port, own: IPv4Interface | None, field: str) -> None:
    gateway = _address(port.gateway, field)
    if own is None or "uplink" not in port.roles:
        raise invalid(
            "a gateway belongs to an uplink with an address of its own",
            "leave it empty: with DHCP it comes by itself, and cameras need none",
            field=field,
        )
    if gateway not in own.network or gateway == own.ip:
        raise invalid(f"{gateway} is not another machine in {own.network}", "look at the router", field=field)


def pool_of(port: Port) -> tuple[IPv4Address, IPv4Address]:
    """First and last. Raises ``ValueError`` where ``pool`` is none."""
    first, dash, last = port.pool.partition("-")
    if not dash:
        raise ValueError(port.pool)
    return ipaddress.IPv4Address(first.strip()), ipaddress.IPv4Address(last.strip())


def _check_pool(port: Port, own: IPv4Interface | None, field: str) -> None:
    hint = "for example 192.168.50.100-192.168.50.199"
    if own is None or not port.cameras_only:
        raise invalid(
            "the box gives addresses only on a network of the cameras' own, where its own address is fixed",
            "on an uplink the router gives them: two that do would fight",
            field=field,
        )
    try:
        first, last = pool_of(port)
    except ValueError as error:
        raise invalid(f"{port.pool[:60]!r} is not FIRST-LAST", hint, field=field) from error
    inside = all(address in own.network for address in (first, last))
    ends = own.network.network_address, own.network.broadcast_address
    if not inside or first > last or first in ends or last in ends:
        raise invalid(f"{port.pool} is not a range within {own.network}", hint, field=field)
    if first <= own.ip <= last:
        raise invalid(f"the box itself is {own.ip}, within that range", hint, field=field)
