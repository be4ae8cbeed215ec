"""What both kinds of WireGuard share: the interface in Linux's eyes, its address and routes (``ip``)."""

import json

from wireguard_tools import WireguardKey

from appliance.system.programs import Programs
from appliance.system.tunnel.config import TunnelConfig

OURS = ("tun", "wireguard")

Endpoint = tuple[str, int]
"""(numeric address, port)"""


def address_and_routes(config: TunnelConfig, programs: Programs) -> None:
    """Only what is ours is on the interface afterwards; ``replace`` does not interrupt what was there."""
    name = config.interface
    programs.must("ip", "link", "set", "dev", name, "mtu", str(config.mtu_bytes), "up")
    for line in programs.must("ip", "-o", "addr", "show", "dev", name, "scope", "global").splitlines():
        words = line.split()
        if words[3] != str(config.own):
            programs.must("ip", "addr", "del", words[3], "dev", name)
    programs.must("ip", "addr", "replace", str(config.own), "dev", name)
    wanted = {str(route) for route in config.routes}
    for family in ("-4", "-6"):
        for line in programs.must("ip", family, "route", "show", "dev", name, "proto", "static").splitlines():
            if _whole(line.split()[0]) not in wanted:
                programs.must("ip", family, "route", "del", line.split()[0], "dev", name)
    for route in sorted(wanted):
        programs.must("ip", "route", "replace", route, "dev", name, "proto", "static")


def kind_of(name: str, programs: Programs) -> str:
    """tun | wireguard | ... as ``ip`` says it; ``none`` for a network card; empty: no such interface."""
    done = programs.ask("ip", "-d", "-j", "link", "show", "dev", name)
    found = json.loads(done.text) if done.status == 0 and done.text.strip() else []
    return str(found[0].get("linkinfo", {}).get("info_kind", "none")) if found else ""


def take_away(name: str, programs: Programs) -> None:
    """Never a network card, whatever name somebody configured."""
    if kind_of(name, programs) in OURS:
        programs.ask("ip", "link", "del", "dev", name)


def hex_of(key: str) -> str:
    return str(WireguardKey(key).hex)


def text_of(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _whole(text: str) -> str:
    """``ip`` leaves the prefix length of one address away."""
    if "/" in text:
        return text
    return f"{text}/{128 if ':' in text else 32}"
