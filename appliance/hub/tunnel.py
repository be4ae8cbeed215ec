"""The hub's end of the tunnel: which address a box gets, and the peers as wg knows them.

Applying it is the operator's (``wg syncconf``): the hub needs no privilege for it.
"""

import base64
import ipaddress
import os
from collections.abc import Sequence

from appliance.base.errors import ApplianceError
from appliance.hub.settings import TunnelSettings
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


def render_peers(peers: Sequence[Found], sealer: Sealer) -> str:
    """The ``[Peer]`` sections of wg(8)'s configuration format. Holds the pre-shared keys."""
    parts = []
    for peer in peers:
        bits = 128 if ":" in peer["tunnel_address"] else 32
        lines = ["[Peer]", f"# {peer['id']}", f"PublicKey = {peer['tunnel_key']}"]
        if peer["tunnel_psk"] is not None:
            psk = sealer.open(peer["tunnel_psk"], f"psk/{peer['id']}")
            lines.append(f"PresharedKey = {base64.b64encode(psk).decode()}")
        lines.append(f"AllowedIPs = {peer['tunnel_address']}/{bits}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _number(settings: TunnelSettings, address: str) -> int:
    return int(ipaddress.ip_address(address)) - int(settings.net.network_address)
