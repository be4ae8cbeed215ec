"""What an operator says about this hub: ``DIR/hub.toml``, the same for every instance.

url = "https://10.90.0.1:8443"            # where boxes reach it from now on (default: as they did)
proxies = ["10.0.0.0/24"]                 # balancers whose X-Forwarded-For is believed

[retention]                               # 0: for ever, or as many as come; these are the defaults
rows_days = 400                           # events and all else that is told in rows
files_days = 90                           # stills and clips
alerts_days = 800                         # an alert that nobody acknowledged keeps what is its own so long
files_bytes_per_box = 0
files_bytes_per_site = 0

[tunnel]                                  # without it no tunnel is offered
network = "10.90.0.0/16"
address = "10.90.0.1"                     # the hub's own end
public_key = "..."                        # of the hub's end, base64
endpoint = "hub.example.org:51820"

[screens]                                 # boxes' own screens, lent through this hub for minutes
ports = "8450-8459"                       # one listens while a screen is lent; "" lends none
host = "*.screens.example.org"            # by which browsers find them; see ScreenSettings

[quota]                                   # 0: without a bound; these are the defaults
bytes_per_box = 200_000_000_000           # files of one box, those included that it has begun to send
partial_per_box = 50                      # of them on their way at a time
"""

import base64
import binascii
import ipaddress
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from appliance.base.errors import invalid

FILE_NAME = "hub.toml"
MOST_SCREENS = 100
_PORTS = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
_ENDPOINT = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class Quota(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one box may take of the store of files; beyond it is answered 507, and the box comes again."""

    bytes_per_box: Annotated[int, msgspec.Meta(ge=0, le=1 << 60)] = 200_000_000_000
    partial_per_box: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 50


class TunnelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``network``: whose hosts are allotted to boxes, one each. ``preshared``: a key of its own for each
    box besides (WireGuard's PSK)."""

    network: Text
    address: Text
    public_key: Text
    endpoint: Text
    keepalive_s: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 25
    preshared: bool = True

    @property
    def net(self) -> Network:
        return ipaddress.ip_network(self.network)

    def host(self, number: int) -> str:
        """The address of host ``number`` of the network."""
        return str(self.net[number])


Days = Annotated[float, msgspec.Meta(ge=0, le=36_500)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=1 << 60)]


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """0: without a bound."""

    rows_days: Days = 400
    files_days: Days = 90
    alerts_days: Days = 800
    files_bytes_per_box: Bytes = 0
    files_bytes_per_site: Bytes = 0


class ScreenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``ports``: FIRST-LAST, or "" for none. ``host``: a name of this hub other than the one that people
    sign in at: cookies know no ports (RFC 6265, 8.5), so under the same name the box would be sent the hub's
    session. A ``*`` in it becomes the box's id, which keeps boxes' own sessions apart, too. "": the hub's
    address where people come by its name."""

    ports: str = "8450-8459"
    host: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9*.:-]{0,253}$(?!\n)")] = ""

    @property
    def range(self) -> range:
        """Raises ``invalid``."""
        found = _PORTS.fullmatch(self.ports)
        if not self.ports:
            return range(0)
        first, last = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1024 <= first <= last <= 65_535 or last - first >= MOST_SCREENS:
            raise invalid(
                f"{self.ports[:40]!r} are no ports",
                'write FIRST-LAST, e.g. "8450-8459"',
                field="screens.ports",
            )
        return range(first, last + 1)


class HubSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``url`` empty: boxes go on using the address that they enrolled at."""

    url: str = ""
    proxies: tuple[str, ...] = ()
    quota: Quota = Quota()
    tunnel: TunnelSettings | None = None
    retention: Retention = Retention()
    screens: ScreenSettings = ScreenSettings()

    @property
    def trusted(self) -> tuple[Network, ...]:
        return _networks(self.proxies)


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Asked for with every request."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def load(data_dir: Path) -> HubSettings:
    """Raises ``invalid``, naming the key. A missing file is an empty one."""
    path = data_dir / FILE_NAME
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return HubSettings()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise invalid(f"{path} cannot be read: {error}", 'write lines like: url = "https://..."') from error
    try:
        found = msgspec.convert(table, HubSettings)
    except msgspec.ValidationError as error:
        raise invalid(f"{path}: {error}", "see the keys in the README, The hub") from None
    _check(found)
    return found


def _check(settings: HubSettings) -> None:
    try:
        _ = settings.trusted
    except ValueError as error:
        raise invalid(f"{FILE_NAME}: {error}", 'write proxies = ["10.0.0.0/24"]', field="proxies") from None
    if settings.url:
        parts = urlsplit(settings.url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
            raise invalid(f"{FILE_NAME}: this is no address", 'write url = "https://host"', field="url")
    if settings.tunnel is not None:
        _check_tunnel(settings.tunnel)


def _check_tunnel(tunnel: TunnelSettings) -> None:
    try:
        inside = ipaddress.ip_address(tunnel.address) in tunnel.net
    except ValueError as error:
        raise invalid(f"{FILE_NAME}: {error}", 'write network = "10.90.0.0/16"', field="tunnel") from None
    if not inside or tunnel.net.num_addresses < 4:
        hint = "give the hub an address inside a network with room for its boxes"
        raise invalid(f"{FILE_NAME}: {tunnel.address} is not in {tunnel.network}", hint, field="tunnel")
    if not is_key(tunnel.public_key):
        hint = "paste what `wg pubkey` prints"
        raise invalid(f"{FILE_NAME}: public_key is no WireGuard key", hint, field="tunnel.public_key")
    match = _ENDPOINT.fullmatch(tunnel.endpoint)
    if match is None or not 1 <= int(match[2]) <= 65_535:
        raise invalid(f"{FILE_NAME}: endpoint is not HOST:PORT", "", field="tunnel.endpoint")


def is_key(text: str) -> bool:
    """Base64 of 32 bytes, as WireGuard and our protocol write keys: of the texts that would be read as the
    same bytes the one that is written."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
        return len(raw) == 32 and base64.b64encode(raw).decode() == text
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return False
