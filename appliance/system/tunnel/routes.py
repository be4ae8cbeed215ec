"""What must never go into the tunnel: the LAN, the cameras, the way to the internet, the endpoint itself.

The networks are those that the box is on now (``ip``), besides the tunnel's own; they change with DHCP,
so this is asked again whenever the network changes.
"""

import ipaddress
import json

import msgspec

from appliance.base.errors import ApplianceError
from appliance.system.programs import Programs
from appliance.system.tunnel.config import IpAddress, IpNetwork, TunnelConfig


class Around(msgspec.Struct, frozen=True):
    """``networks``: (interface, network) that the box is on or has a route to. ``gateways``: of its
    default routes."""

    networks: tuple[tuple[str, IpNetwork], ...] = ()
    gateways: tuple[IpAddress, ...] = ()


def around(programs: Programs, tunnel: str) -> Around:
    """Raises ``unavailable`` where ``ip`` does not say."""
    networks, gateways = [], []
    for entry in json.loads(programs.must("ip", "-j", "addr", "show") or "[]"):
        for address in entry.get("addr_info", []):
            if entry.get("ifname") not in (tunnel, "lo") and address.get("scope") == "global":
                found = ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", strict=False)
                networks.append((str(entry["ifname"]), found))
    for family in ("-4", "-6"):
        for route in json.loads(programs.must("ip", "-j", family, "route", "show") or "[]"):
            interface = route.get("dev")
            if interface is None or interface == tunnel:
                continue
            if route["dst"] != "default":  # cameras behind a router of the site's own, say
                networks.append((str(interface), ipaddress.ip_network(route["dst"])))
            elif "gateway" in route:
                gateways.append(ipaddress.ip_address(route["gateway"]))
    return Around(tuple(networks), tuple(gateways))


def check_routes(config: TunnelConfig, found: Around, endpoint: str | None = None) -> None:
    """Raises ``conflict`` naming what would be cut off. ``endpoint``: its address outside, where known:
    packets to it must not go through the tunnel that they carry."""
    for route in (*config.routes, config.own.network):
        for interface, network in found.networks:
            if route.version == network.version and route.overlaps(network):
                raise ApplianceError(
                    "conflict",
                    f"{route} of the tunnel overlaps {network}, which this box reaches through {interface}",
                    "give the tunnel another network at the hub, or this site another one",
                    field="allowed_ips",
                )
        for gateway in found.gateways:
            if gateway in route:
                raise ApplianceError(
                    "conflict",
                    f"{route} of the tunnel covers {gateway}, this box's way to the internet",
                    "route only the endpoint's own addresses, e.g. 10.90.0.1/32",
                    field="allowed_ips",
                )
        if endpoint is not None and ipaddress.ip_address(endpoint) in route:
            raise ApplianceError(
                "conflict",
                f"{route} of the tunnel covers the endpoint's own address {endpoint}",
                "the endpoint needs one address outside of the tunnel and another one inside",
                field="allowed_ips",
            )
