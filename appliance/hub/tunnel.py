"""The hub's end of the tunnel: which address a box gets, and the peers as wg knows them.

Applying it is the operator's (``wg syncconf``): the hub needs no privilege for it.
"""

import base64
import ipaddress
import os
from collections.abc import Iterator, Mapping, Sequence

from appliance.base.errors import ApplianceError, invalid
from appliance.hub.settings import TunnelSettings, is_key
from appliance.hub.store import boxes
from appliance.hub.store.steps import Found, Steps
from appliance.store.sealing import Sealer
from appliance.sync.protocol.enrolment import TunnelOffer

PSK_BYTES = 32


def offer(box_id: str, settings: TunnelSettings, sealer: Sealer) -> Steps[TunnelOffer]:
    """Steps of the transaction that enrols: the box's address (the one it had, if it had one) and a new
    pre-shared key. Raises ``exhausted`` where the network has no room."""
    own = _number(settings, settings.address)
    number = yield from boxes.allot(box_id, own + 1, settings.net.num_addresses - 2)
    if number is None:
        raise ApplianceError(
            "exhausted", "the tunnel's network has no address left", "set a larger network in hub.toml"
        )
    address = settings.host(number)
    psk = os.urandom(PSK_BYTES) if settings.preshared else None
    sealed = None if psk is None else sealer.seal(psk, f"psk/{box_id}")
    yield from boxes.set_tunnel(box_id, number, address, sealed)
    bits = settings.net.max_prefixlen
    return TunnelOffer(
        address=f"{address}/{settings.net.prefixlen}",
        peer_key=settings.public_key,
        endpoint=settings.endpoint,
        allowed_ips=[f"{settings.address}/{bits}"],
        preshared_key="" if psk is None else base64.b64encode(psk).decode(),
        keepalive_s=settings.keepalive_s,
    )


def settled(peers: Sequence[Found], handshakes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """(box, its new key) where that one shook hands later than the old one. ``handshakes``: public key ->
    seconds since 1970, 0 for never, as ``wg show INTERFACE latest-handshakes`` tells them."""
    for peer in peers:
        if _new_is_later(peer, handshakes):
            yield peer["id"], peer["tunnel_key_next"]


def render_peers(peers: Sequence[Found], sealer: Sealer, handshakes: Mapping[str, int] | None = None) -> str:
    """The ``[Peer]`` sections of wg(8)'s configuration format. Holds the pre-shared keys.

    While a box changes over it is two peers. WireGuard lets an address belong to one of them: to the one
    that shook hands last, or, where nobody told us of that, to the new one as soon as the box said that it
    changes over. The other one can shake hands and nothing else, which is enough to find out."""
    parts = []
    for peer in peers:
        bits = 128 if ":" in peer["tunnel_address"] else 32
        psk = None if peer["tunnel_psk"] is None else sealer.open(peer["tunnel_psk"], f"psk/{peer['id']}")
        owner = _owner(peer, handshakes)
        for key in (peer["tunnel_key"], peer["tunnel_key_next"]):
            if not key:
                continue
            lines = ["[Peer]", f"# {peer['id']}", f"PublicKey = {key}"]
            if psk is not None:
                lines.append(f"PresharedKey = {base64.b64encode(psk).decode()}")
            if key == owner:
                lines.append(f"AllowedIPs = {peer['tunnel_address']}/{bits}")
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def read_handshakes(text: str) -> dict[str, int]:
    """Lines of ``KEY<TAB>SECONDS``, as wg prints them. Raises ``invalid``."""
    found = {}
    for line in text.splitlines():
        key, _, seconds = line.partition("\t")
        if not is_key(key) or not seconds.isascii() or not seconds.isdigit():
            raise invalid("these are no handshakes", "give what `wg show INTERFACE latest-handshakes` prints")
        found[key] = int(seconds)
    return found


def _owner(peer: Found, handshakes: Mapping[str, int] | None) -> str:
    old, new = str(peer["tunnel_key"]), str(peer["tunnel_key_next"])
    changed = bool(peer["tunnel_key_used"]) if handshakes is None else _new_is_later(peer, handshakes)
    return new if new and changed else old


def _new_is_later(peer: Found, handshakes: Mapping[str, int]) -> bool:
    new = handshakes.get(peer["tunnel_key_next"], 0) if peer["tunnel_key_next"] else 0
    return new > 0 and new >= handshakes.get(peer["tunnel_key"], 0)


def _number(settings: TunnelSettings, address: str) -> int:
    return int(ipaddress.ip_address(address)) - int(settings.net.network_address)
