"""What ports the machine has, and what is on them now: what ip(8) says, so that a namespace is as good."""

import json
from typing import Any

import msgspec

from appliance.system.programs import Programs

_PORTS = {"", "veth", "vlan"}  # kinds of links that are ports; veth: in a namespace


class Route(msgspec.Struct, frozen=True):
    """``to``: ``default`` or a network. ``via`` empty: on the link."""

    to: str
    via: str = ""
    metric: int | None = None


class Link(msgspec.Struct, frozen=True):
    """``addresses``: IPv4 with prefix length. ``by_dhcp``: one of them has an end. ``neighbours``: how many
    machines it has heard of. ``parent``: of a VLAN."""

    name: str
    mac: str
    up: bool
    carrier: bool
    addresses: tuple[str, ...]
    by_dhcp: bool
    routes: tuple[Route, ...]
    neighbours: int
    vlan: int = 0
    parent: str = ""


def look(programs: Programs) -> tuple[Link, ...]:
    """Sorted by name. Raises ``unavailable`` where ip(8) is not there."""
    links = json.loads(programs.must("ip", "-d", "-j", "addr", "show") or "[]")
    routes = json.loads(programs.must("ip", "-j", "-4", "route", "show", "table", "main") or "[]")
    around = json.loads(programs.must("ip", "-j", "neigh", "show") or "[]")
    heard = [entry.get("dev") for entry in around if "lladdr" in entry]
    found = []
    for entry in links:
        info = entry.get("linkinfo", {})
        if entry.get("link_type") != "ether" or info.get("info_kind", "") not in _PORTS:
            continue
        found.append(_link(entry, info, routes, heard.count(entry["ifname"])))
    return tuple(sorted(found, key=lambda link: link.name))


def _link(entry: dict[str, Any], info: dict[str, Any], routes: list[dict[str, Any]], heard: int) -> Link:
    name = entry["ifname"]
    addresses = [one for one in entry.get("addr_info", []) if one.get("family") == "inet"]
    vlan = info.get("info_data", {}).get("id", 0) if info.get("info_kind") == "vlan" else 0
    return Link(
        name,
        entry.get("address", ""),
        "UP" in entry.get("flags", []),
        "LOWER_UP" in entry.get("flags", []),
        tuple(f"{one['local']}/{one['prefixlen']}" for one in addresses),
        any(one.get("dynamic") for one in addresses),
        tuple(
            Route(route["dst"], route.get("gateway", ""), route.get("metric"))
            for route in routes
            if route.get("dev") == name and route.get("protocol") != "kernel"
        ),
        heard,
        vlan,
        entry.get("link", "") if vlan else "",
    )
