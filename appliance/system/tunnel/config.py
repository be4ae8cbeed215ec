"""What a tunnel is made from, checked before anything is stored or made.

The shape is that of ``sync.protocol.enrolment.TunnelOffer``; floor 3 has its own, so that what travels
may change without what is kept, and the enrolment converts (``sync.enrol``).
"""

import ipaddress
import re

import msgspec

from appliance.base.errors import invalid

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

NAME = "aries0"  # of the interface, where nothing else is set
MOST_ROUTES = 16
LONGEST_KEEPALIVE_S = 3_600
WIDEST_PREFIX = {4: 8, 6: 16}  # a network wider than that is no endpoint's, whatever it says
MTU_BYTES = 1_420  # wg-quick's: 1500 less the outer IPv6, UDP and WireGuard headers

_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")  # IFNAMSIZ is 16 with its NUL
_KEY = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")  # wg(8): base64 of 32 bytes
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


class TunnelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``address``: ours inside, with its prefix length. ``peer_key``: the endpoint's public key.
    ``endpoint``: host:port outside. ``allowed_ips``: the endpoint's own addresses inside, never wider.
    ``probe``: host:port inside that answers TCP while the endpoint works; empty: only handshakes count.
    ``listen_port``: 0 lets the kernel choose, as nobody calls us first. No secret is in here."""

    address: str
    peer_key: str
    endpoint: str
    allowed_ips: tuple[str, ...]
    probe: str = ""
    keepalive_s: int = 25
    dns: str = ""
    interface: str = NAME
    listen_port: int = 0
    mtu_bytes: int = MTU_BYTES

    @property
    def own(self) -> IpInterface:
        """Our address alone: with the prefix length that came, Linux would route the other boxes'
        addresses into the tunnel, too."""
        return ipaddress.ip_interface(ipaddress.ip_interface(self.address).ip)

    @property
    def routes(self) -> tuple[IpNetwork, ...]:
        return tuple(ipaddress.ip_network(text) for text in self.allowed_ips)


def check(config: TunnelConfig) -> TunnelConfig:
    """``config`` as it came. Raises ``invalid`` with the field and what to do."""
    check_interface(config.interface, "interface")
    check_key(config.peer_key, "peer_key")
    host_port(config.endpoint, "endpoint")
    _check_address(config.address)
    _check_routes(config.allowed_ips)
    if config.probe:
        _check_probe(config)
    if not 0 <= config.keepalive_s <= LONGEST_KEEPALIVE_S:
        raise invalid(
            f"a keep-alive of {config.keepalive_s} s", "give 0 (off) to 3600; 25 suits", field="keepalive_s"
        )
    if not 0 <= config.listen_port <= 65_535:
        raise invalid(f"{config.listen_port} is no port", "give 0 to 65535", field="listen_port")
    if not 1_280 <= config.mtu_bytes <= 9_000:  # RFC 8200, 5: no IPv6 below 1280
        raise invalid(f"an MTU of {config.mtu_bytes} bytes", "give 1280 to 9000", field="mtu_bytes")
    if config.dns and _address(config.dns) is None:
        raise invalid(f"{config.dns[:40]!r} is no name server", "give its address, or nothing", field="dns")
    return config


def check_interface(name: str, field: str) -> str:
    """A name that Linux takes and that means nothing to nft, ip or systemd but itself."""
    if _INTERFACE.fullmatch(name) is None:
        raise invalid(
            f"{name[:40]!r} is no name of an interface", "`ip link` lists them, e.g. eth0", field=field
        )
    return name


def check_key(text: str, field: str) -> str:
    """Base64 of 32 bytes, as ``wg`` writes it. The key itself is not in the error: it may be a secret."""
    if _KEY.fullmatch(text) is None:
        raise invalid(
            "this is no WireGuard key", "44 characters of base64, as `wg pubkey` prints", field=field
        )
    return text


def host_port(text: str, field: str) -> tuple[str, int]:
    """(name or address without brackets, port)."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    address = _address(bare)
    good_host = (address is not None and (address.version == 6) == bracketed) or (
        address is None and not bracketed and _HOST.fullmatch(bare) is not None
    )
    if not colon or not good_host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise invalid(
            f"{text[:80]!r} is not HOST:PORT",
            "e.g. hub.example.org:51820 or [2001:db8::1]:51820",
            field=field,
        )
    return bare, int(port)


def _check_probe(config: TunnelConfig) -> None:
    host, _ = host_port(config.probe, "probe")
    address = _address(host)
    if address is None or not any(address in network for network in _networks(config.allowed_ips)):
        raise invalid(
            f"the probe {config.probe} does not go through the tunnel",
            "give an address among allowed_ips, with a port that answers there",
            field="probe",
        )


def _check_address(text: str) -> None:
    try:
        own = ipaddress.ip_interface(text)
    except ValueError:
        own = None
    if own is None or "/" not in text or own.ip.is_unspecified or own.ip.is_multicast or own.ip.is_loopback:
        raise invalid(
            f"{text[:60]!r} is no address with a prefix length", "e.g. 10.90.0.7/32", field="address"
        )


def _check_routes(texts: tuple[str, ...]) -> None:
    if not 0 < len(texts) <= MOST_ROUTES:
        raise invalid(
            f"{len(texts)} networks to route", f"name the endpoint's: 1 to {MOST_ROUTES}", field="allowed_ips"
        )
    for text, network in zip(texts, _networks(texts), strict=True):
        if network.prefixlen < WIDEST_PREFIX[network.version]:
            raise invalid(
                f"{text} would send what is not the endpoint's through the tunnel",
                "route only the endpoint's own addresses, e.g. 10.90.0.1/32",
                field="allowed_ips",
            )
        first = network.network_address
        if first.is_loopback or first.is_link_local or first.is_multicast or first.is_unspecified:
            raise invalid(
                f"{text} cannot be routed", "give the endpoint's address inside", field="allowed_ips"
            )


def _networks(texts: tuple[str, ...]) -> list[IpNetwork]:
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            hint = "write it as 10.90.0.1/32, without host bits"
            raise invalid(f"{text[:60]!r} is no network", hint, field="allowed_ips") from None
    return found


def _address(text: str) -> IpAddress | None:
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None
