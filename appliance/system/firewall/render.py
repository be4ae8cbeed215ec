"""Settings → the text of a ruleset. Each rule counts what it met and says what it is for.

The whole is one transaction for ``nft -f``: the table is made if it is not there, deleted, made anew; other
tables are not mentioned. A drop in our chains is final whatever others accept (nft(8), "hook").
"""

from collections.abc import Iterable

from appliance.system.firewall.settings import FirewallSettings, check

TABLE = "inet aries_edge"
PINGS_PER_S = 20
_NEIGHBOURS = "{ nd-neighbor-solicit, nd-neighbor-advert }"
# WS-Discovery asks a group and is answered by each camera: to nft that is no answer. The port that asked
# is open to answers for as long as one may wait for them.
_ASKED = "asked"
_ASKS = f"ip daddr 239.255.255.250 udp dport 3702 add @{_ASKED} {{ udp sport }}"
_FOUND = f"udp sport 3702 udp dport @{_ASKED}"
_ASKED_S = 20
_ASKS_DHCP = "udp sport 68 udp dport 67"
_GROUPS = "{ mld-listener-query, mld2-listener-report }"


def ruleset(found: FirewallSettings) -> str:
    """Raises ``invalid``. The same settings give the same text."""
    check(found)
    return "\n".join([
        f"# {TABLE}: made by `appliance firewall`; edit the settings, not this.",
        f"table {TABLE}",
        f"delete table {TABLE}",
        f"table {TABLE} {{",
        *_indented([
            f"set {_ASKED} {{",
            *_indented(["type inet_service; flags dynamic,timeout; size 1024;", f"timeout {_ASKED_S}s;"]),
            "}",
            "",
            "chain input {",
            *_indented(["type filter hook input priority filter; policy drop;", *_input(found)]),
            "}",
            "",
            *_chain("cameras", _cameras(found)),
            *_chain("lan", _lan(found)),
            *_chain("tunnel", _tunnel(found)),
            *_chain("elsewhere", _elsewhere(found)),
            "chain output {",
            *_indented(["type filter hook output priority filter; policy accept;", _ASKS]),
            "}",
            "",
            "chain forward {",
            *_indented([
                "type filter hook forward priority filter; policy drop;",
                _rule("", "drop", "this box is no router: not to the cameras, not from them"),
            ]),
            "}",
        ]),
        "}",
        "",
    ])  # fmt: skip


def removal() -> str:
    """Takes our table away, also where there is none."""
    return f"table {TABLE}\ndelete table {TABLE}\n"


def _input(found: FirewallSettings) -> list[str]:
    """Which chain judges is decided by where a packet came in, and by nothing that it says of itself."""
    rules = [
        _rule('iifname "lo"', "accept", "this machine to itself"),
        _rule("ct state established,related", "accept", "answers to what this box asked"),
        _rule("ct state invalid", "drop", "belongs to nothing"),
    ]
    for chain, names in (("cameras", found.cameras), ("lan", found.lan), ("tunnel", _one(found.tunnel))):
        if names:
            rules.append(f"iifname {_set(names)} goto {chain}")
    return [*rules, "goto elsewhere"]


def _cameras(found: FirewallSettings) -> list[str]:
    return [
        *([_rule("udp dport 123", "accept", "cameras ask for the time")] if found.ntp else []),
        *([_rule(_ASKS_DHCP, "accept", "cameras ask for an address")] if found.dhcp else []),
        _rule(_FOUND, "accept", "cameras that this box looks for"),
        _rule(f"icmpv6 type {_NEIGHBOURS} ip6 hoplimit 255", "accept", "IPv6 needs its neighbours"),
        _rule("", "drop", "cameras reach nothing else"),
    ]


def _lan(found: FirewallSettings) -> list[str]:
    return [
        _rule(f"tcp dport {found.web_port}", "accept", "the screen"),
        *([_rule(f"tcp dport {found.ssh_port}", "accept", "ssh, as it was set")] if found.ssh else []),
        *([_rule("udp dport 123", "accept", "the LAN asks for the time")] if found.ntp_lan else []),
        *(_mdns() if found.mdns else []),
        _rule(_FOUND, "accept", "cameras that this box looks for"),
        *_wireguard(found),
        *_ping(),
        *_addresses(),
        _rule("", "drop", "the LAN reaches nothing else"),
    ]


def _tunnel(found: FirewallSettings) -> list[str]:
    return [
        _rule(f"tcp dport {found.web_port}", "accept", "the screen, through the hub"),
        *_ping(),
        _rule("", "drop", "the tunnel reaches nothing else"),
    ]


def _elsewhere(found: FirewallSettings) -> list[str]:
    """A modem, a second uplink, whatever was plugged in."""
    return [*_wireguard(found), *_addresses(), _rule("", "drop", "nobody else reaches anything")]


def _wireguard(found: FirewallSettings) -> list[str]:
    if not found.wireguard_port:
        return []
    return [_rule(f"udp dport {found.wireguard_port}", "accept", "the hub calls the tunnel first")]


def _mdns() -> list[str]:
    """RFC 6762: to its groups only, so that no other network's questions come in."""
    return [
        _rule(f"{group} udp dport 5353", "accept", "the box is found by its name")
        for group in ("ip daddr 224.0.0.251", "ip6 daddr ff02::fb")
    ]


def _ping() -> list[str]:
    return [
        _rule(f"{protocol} type echo-request limit rate {PINGS_PER_S}/second", "accept", "ping")
        for protocol in ("icmp", "icmpv6")
    ]


def _addresses() -> list[str]:
    """Without these an interface has no address for long: RFC 4861 (neighbours, routers), RFC 2131,
    RFC 8415 (DHCP: its answers may come to an address that did not ask, so they are no answers to nft)."""
    return [
        _rule(f"icmpv6 type {_NEIGHBOURS} ip6 hoplimit 255", "accept", "IPv6 needs its neighbours"),
        _rule("icmpv6 type nd-router-advert ip6 hoplimit 255", "accept", "IPv6 addresses and routes"),
        _rule(f"icmpv6 type {_GROUPS} ip6 saddr fe80::/10", "accept", "IPv6 groups, for switches"),
        _rule("udp sport 67 udp dport 68", "accept", "DHCP"),
        _rule("ip6 saddr fe80::/10 udp sport 547 udp dport 546", "accept", "DHCPv6"),
    ]


def _rule(match: str, verdict: str, about: str) -> str:
    return f'{match} counter {verdict} comment "{about}"'.lstrip()


def _chain(name: str, rules: list[str]) -> list[str]:
    return [f"chain {name} {{", *_indented(rules), "}", ""]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _set(names: tuple[str, ...]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in sorted(names)) + " }"


def _one(name: str) -> tuple[str, ...]:
    return (name,) if name else ()
