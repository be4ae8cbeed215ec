"""What the firewall's rules are made from: a row of the settings table, key ``firewall``."""

import socket
import sqlite3
from collections import Counter

import msgspec

from appliance.base.errors import invalid
from appliance.store import settings
from appliance.system.tunnel.config import check_interface

ROW = "firewall"
MOST_INTERFACES = 16
WEB_PORT, SSH_PORT = 8_443, 22


class FirewallSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of interfaces. ``lan``: where people are. ``cameras``: where cameras are; empty where they
    are on the LAN. ``tunnel``: empty for none. An interface in none of them (a modem) may bring answers
    and nothing else. ``wireguard_port``: 0 where nobody calls this box's tunnel first, as usual.
    ``ntp``: the cameras may ask this box for the time; ``ntp_lan``: the LAN may, too. ``dhcp``: the cameras
    get their addresses from this box. ``mdns``: the LAN finds this box by its name."""

    enabled: bool = False
    lan: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    tunnel: str = ""
    web_port: int = WEB_PORT
    wireguard_port: int = 0
    ntp: bool = True
    ntp_lan: bool = False
    dhcp: bool = False
    mdns: bool = False
    ssh: bool = False
    ssh_port: int = SSH_PORT


def check_present(found: FirewallSettings) -> None:
    """Raises ``invalid`` for an interface that this machine has not: the kernel takes rules for any name, and
    a slip of the pen would leave cameras outside of theirs. The tunnel's comes and goes."""
    check(found)
    here = sorted({name for _, name in socket.if_nameindex()} - {"lo"})
    for field, names in (("lan", found.lan), ("cameras", found.cameras)):
        for name in names:
            if name not in here:
                hint = f"this machine has {', '.join(here) or 'none'}"
                raise invalid(f"there is no interface {name}", hint, field=field)


def check(found: FirewallSettings) -> FirewallSettings:
    """``found`` as it came. Raises ``invalid`` with the field."""
    for field, names in (("lan", found.lan), ("cameras", found.cameras)):
        if len(names) > MOST_INTERFACES:
            raise invalid(f"{len(names)} interfaces", f"name at most {MOST_INTERFACES}", field=field)
        for name in names:
            check_interface(name, field)
    if found.tunnel:
        check_interface(found.tunnel, "tunnel")
    if not found.lan and not found.tunnel:
        raise invalid(
            "nobody could reach the screen any more",
            "name the LAN's interface: `ip link` lists them",
            field="lan",
        )
    everywhere = [*found.lan, *found.cameras, *([found.tunnel] if found.tunnel else [])]
    for name, count in Counter(everywhere).items():
        if count > 1:
            hint = "one interface is one thing; leave cameras empty where they are on the LAN"
            raise invalid(f"{name} is named {count} times", hint, field="cameras")
        if name == "lo":
            raise invalid("lo is this machine itself", "name a network's interface", field="lan")
    for field, port, least in (
        ("web_port", found.web_port, 1),
        ("ssh_port", found.ssh_port, 1),
        ("wireguard_port", found.wireguard_port, 0),
    ):
        if not least <= port <= 65_535:
            raise invalid(f"{port} is no port", f"give {least} to 65535", field=field)
    return found


def load(conn: sqlite3.Connection) -> FirewallSettings:
    value = settings.get_value(conn, ROW)
    return FirewallSettings() if value is None else msgspec.convert(value, FirewallSettings)


def save(conn: sqlite3.Connection, found: FirewallSettings) -> None:
    """Raises ``invalid``; nothing is stored then. What is off need not make sense."""
    settings.set_value(conn, ROW, check(found) if found.enabled else found)
