"""Asking the hub for orders: one long poll over the hub's address, with the box's token."""

import ssl

import aiohttp
import msgspec

from appliance.store.targets import Target
from appliance.sync import faults
from appliance.sync.faults import HUB
from appliance.sync.protocol import PREFIX
from appliance.sync.protocol.command import LONGEST_PAYLOAD_BYTES, LONGEST_WAIT_S, MOST_WAITING

LONGEST_ANSWER_BYTES = 2 * MOST_WAITING * LONGEST_PAYLOAD_BYTES
PATIENCE_S = 15.0  # beyond what the hub was asked to wait


class Unheard(Exception):
    """The hub did not answer, or not like one. Its text is for people."""


class Offered(msgspec.Struct, frozen=True):
    """Read one by one, so that one that is broken does not keep the others from us."""

    commands: list[msgspec.Raw]


class Peer(msgspec.Struct, frozen=True):
    """Where the hub is, and as whom we ask. ``after``: seq of the newest order that we have."""

    target: Target
    token: str
    after: int = 0


async def poll(
    session: aiohttp.ClientSession, peer: Peer, tls: ssl.SSLContext, wait_s: float
) -> list[msgspec.Raw]:
    """At most ``MOST_WAITING`` orders, oldest first; raises ``Unheard``. ``wait_s`` 0: only what is there."""
    url = peer.target.url.rstrip("/") + PREFIX + "/commands"
    headers = {"Authorization": f"Bearer {peer.token}", "Accept-Encoding": "identity"}
    timeout = aiohttp.ClientTimeout(total=min(wait_s, LONGEST_WAIT_S) + PATIENCE_S, connect=PATIENCE_S)
    try:
        async with session.get(
            url,
            params={"wait": f"{wait_s:g}", "after": str(peer.after)},
            headers=headers,
            timeout=timeout,
            ssl=tls,
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                raise Unheard(str(faults.of_status(response.status, HUB)))
            body = bytearray()
            async for piece in response.content.iter_chunked(65_536):
                body += piece
                if len(body) > LONGEST_ANSWER_BYTES:
                    raise Unheard(str(faults.unreadable(None, HUB)))
        return msgspec.json.decode(bytes(body), type=Offered).commands[:MOST_WAITING]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unheard(str(faults.unreadable(b"", HUB))) from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        # ValueError: an address that cannot be one.
        raise Unheard(str(faults.of(error, HUB))) from error
