"""Where the box is: its addresses, its name in the network, and a way in where nobody gives it an address.

Everything is read and done with ``ip``. An address of our own goes to the first wired interface with a
cable when none has got an address for a while (no DHCP server), and away again when one has, or at the end.
"""

import ipaddress
import json
import logging
from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.system.programs import Programs

log = logging.getLogger(__name__)

FALLBACK = "192.168.77.1/24"
PATIENCE_NS = 15 * SECOND_NS  # a DHCP server answers within ten
VIRTUAL = frozenset(
    {"bridge", "bond", "vlan", "wireguard", "dummy", "tun", "macvlan", "ipvlan", "vxlan", "sit"}
)


class Wired(msgspec.Struct, frozen=True):
    """An interface with a plug. ``addresses``: IPv4 with prefix length, none of them link-local."""

    name: str
    mac: str
    has_carrier: bool
    addresses: tuple[str, ...]


def wired(programs: Programs) -> tuple[Wired, ...]:
    """In the kernel's order, the first first."""
    found = []
    for link in _ip(programs, "-d", "address", "show"):
        kind = link.get("linkinfo", {}).get("info_kind", "")
        name = str(link.get("ifname", ""))
        if link.get("link_type") != "ether" or kind in VIRTUAL or name.startswith(("wl", "veth")):
            continue
        own = tuple(
            f"{entry['local']}/{entry['prefixlen']}"
            for entry in link.get("addr_info", ())
            if entry.get("family") == "inet" and not ipaddress.ip_address(entry["local"]).is_link_local
        )
        carrier = "LOWER_UP" in link.get("flags", ())
        found.append(Wired(name, str(link.get("address", "")), carrier, own))
    return tuple(found)


def addresses(programs: Programs) -> tuple[str, ...]:
    """IPv4 addresses under which a telephone may find this box: given ones before those it took itself."""
    found = []
    for link in _ip(programs, "address", "show", "up"):
        for entry in link.get("addr_info", ()):
            if entry.get("family") == "inet" and entry.get("scope") != "host":
                found.append(str(entry["local"]))
    own = str(ipaddress.ip_interface(FALLBACK).ip)
    return tuple(sorted(found, key=lambda text: (text == own, ipaddress.ip_address(text).is_link_local)))


def name(programs: Programs) -> str:
    """``aries-`` and the last four signs of the first wired interface's MAC, which its label has too."""
    macs = [interface.mac for interface in wired(programs)]
    return f"aries-{macs[0].replace(':', '')[-4:]}" if macs else "aries"


def fallback(interface: Wired) -> tuple[tuple[str, ...], ...]:
    """The commands that give ``interface`` an address of its own: a private one for people who set theirs
    by hand, and a link-local one (RFC 3927), which a laptop takes by itself."""
    local = f"{link_local(interface.mac)}/16"
    return tuple(
        ("ip", "address", "replace", address, "dev", interface.name, *scope)
        for address, scope in ((FALLBACK, ()), (local, ("scope", "link")))
    )


def no_fallback(interface: Wired) -> tuple[tuple[str, ...], ...]:
    """... and those that take them away again."""
    return tuple(("ip", "address", "del", words[3], "dev", interface.name) for words in fallback(interface))


class Fallback:
    """Looks when it is told to (``look``); ``end`` takes away what it gave."""

    def __init__(self, programs: Programs, clock: Clock) -> None:
        self._programs = programs
        self._clock = clock
        self._without_since_ns: int | None = None
        self._given: Wired | None = None
        self._is_refused = False

    def look(self) -> None:
        """Give, or take away, as the network is now. Where that is refused it is logged, once."""
        plugged = [interface for interface in wired(self._programs) if interface.has_carrier]
        if not plugged or any(set(interface.addresses) - {FALLBACK} for interface in plugged):
            self._without_since_ns = None
            self.end()
            return
        now_ns = self._clock.monotonic_ns()
        if self._without_since_ns is None:
            self._without_since_ns = now_ns
        if self._given is None and now_ns - self._without_since_ns >= PATIENCE_NS:
            log.info("nobody gives this box an address: it takes %s on %s", FALLBACK, plugged[0].name)
            if self._done(fallback(plugged[0])):
                self._given = plugged[0]

    def end(self) -> None:
        if self._given is not None:
            self._done(no_fallback(self._given))
            self._given = None

    def _done(self, commands: tuple[tuple[str, ...], ...]) -> bool:
        try:
            for words in commands:
                self._programs.must(*words)
        except ApplianceError as error:
            if not self._is_refused:
                log.warning("no address of its own for this box: %s", error.message)
            self._is_refused = True
            return False
        return True


def link_local(mac: str) -> str:
    """169.254.1.0 to 169.254.254.255, the same for the same interface (RFC 3927, section 2.1)."""
    last = bytes.fromhex(mac.replace(":", ""))[-2:]
    return f"169.254.{last[0] % 254 + 1}.{last[1]}"


def _ip(programs: Programs, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(programs.must("ip", "-json", *words) or "[]")
    return found
