"""How a box comes to a hub: once, with a code that the hub's admin made for it.

The box proves that it holds its identity key (Ed25519, made on the box, sealed under the box's secret):
the code alone, or a copy of the disk alone, is not enough. A device that is known may enrol again only
with the identity key it came with first.
"""

import msgspec

CONTEXT = b"aries-edge enrolment 1\n"


class Enrolment(msgspec.Struct, frozen=True):
    """``identity_key``, ``tunnel_key``: public ones, base64 of 32 bytes. ``proof``: base64 Ed25519
    signature over ``CONTEXT`` + ``signed_text``."""

    code: str
    device_id: str
    name: str
    version: str
    identity_key: str
    tunnel_key: str
    proof: str

    def signed_text(self) -> bytes:
        """What ``proof`` signs: the fields before it, a line each."""
        lines = (self.code, self.device_id, self.name, self.version, self.identity_key, self.tunnel_key)
        return CONTEXT + "\n".join(lines).encode()


class TunnelOffer(msgspec.Struct, frozen=True):
    """The box's end of the WireGuard tunnel. ``address``: with its prefix length. ``endpoint``:
    host:port. ``allowed_ips``: the endpoint's own addresses, never 0.0.0.0/0. ``preshared_key``:
    base64, or empty."""

    address: str
    peer_key: str
    endpoint: str
    allowed_ips: list[str]
    preshared_key: str = ""
    keepalive_s: int = 25
    dns: str = ""


class Enrolled(msgspec.Struct, frozen=True):
    """``token``: what the box says from now on, told this once. ``url``: where the hub is heard from
    now on (through the tunnel, where there is one). ``command_key``: public, base64 of 32 bytes."""

    box_id: str
    token: str
    url: str
    command_key: str
    tunnel: TunnelOffer | None = None
