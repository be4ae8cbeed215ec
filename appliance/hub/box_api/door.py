"""Which box asks: by its token, and by its tunnel's address where it has one."""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass

from aiohttp import web

from appliance.base.http_errors import HttpError
from appliance.hub.hub import HUB, Hub
from appliance.hub.settings import Network
from appliance.hub.store import boxes
from appliance.hub.store.boxes import SEEN_EVERY_NS, BoxIdentity
from appliance.web.errors import denied

LONGEST_TOKEN = 200
_NOBODY = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class Caller:
    """One request of one box, with its rights checked."""

    request: web.Request
    hub: Hub
    box: BoxIdentity

    @property
    def now_ns(self) -> int:
        return self.hub.clock.now_ns()


def new_token(box_id: str) -> str:
    """The box's id and 256 random bits: whose it is can be told without a search by secret."""
    return f"{box_id}.{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> bytes:
    """SHA-256: enough for 256 random bits, and quick."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def caller(request: web.Request) -> Caller:
    """Raises 401 for a token that is not one, 403 where it comes from elsewhere than the tunnel."""
    hub = request.app[HUB]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    box_id = token.partition(".")[0]
    if scheme.lower() != "bearer" or len(token) > LONGEST_TOKEN or not token.isascii() or "\x00" in token:
        raise _not_known()
    box = await hub.store.read(lambda: boxes.identity(box_id))
    stored = _NOBODY if box is None or box.token_hash is None else box.token_hash
    if not hmac.compare_digest(token_hash(token), stored) or box is None:
        raise _not_known()
    if box.tunnel_address is not None and not _same(address_of(request), box.tunnel_address):
        raise denied("this token counts through the tunnel only", "bring the tunnel up, or enrol again")
    now_ns = hub.clock.now_ns()
    if box.seen_ns is None or not 0 <= now_ns - box.seen_ns < SEEN_EVERY_NS:
        await hub.store.write(lambda: boxes.seen(box_id, now_ns))
    return Caller(request, hub, box)


def address_of(request: web.Request) -> str:
    """The peer; behind balancers of ours the last address that they did not write themselves."""
    trusted = request.app[HUB].settings.trusted
    address = request.remote or ""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    while forwarded and _in(address, trusted):
        address = forwarded.pop().strip() or address
    return address


def _in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in network for network in networks)
    except ValueError:
        return False


def _same(address: str, expected: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found) == str(ipaddress.ip_address(expected))


def _not_known() -> HttpError:
    return HttpError(
        401, "denied", "this hub does not know that token", "enrol the box again with a new code",
        headers={"WWW-Authenticate": "Bearer"},
    )  # fmt: skip
