"""One batch over HTTPS."""

import hashlib
import ssl
from collections.abc import Sequence

import aiohttp
import msgspec

from appliance import __version__
from appliance.base.clock import Clock, rfc3339
from appliance.store.outbox import OutboxRow
from appliance.store.targets import Target
from appliance.sync.answer import Verdict, judge

LONGEST_ANSWER_BYTES = 1_000_000


def idempotency_key(ids: Sequence[str]) -> str:
    """SHA-256, hex, of the ids joined by newlines."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def encode(device_id: str, rows: Sequence[OutboxRow]) -> bytes:
    """The contract's body. A tombstone's kind says so; what it was stands in its body (D5)."""
    batch = [
        {
            "id": row.id,
            "kind": "tombstone" if row.is_tombstone else row.kind,
            "created_at": rfc3339(row.created_ns),
            "body": msgspec.Raw(row.body),
        }
        for row in rows
    ]
    return msgspec.json.encode({"device_id": device_id, "batch": batch})


async def post(
    session: aiohttp.ClientSession,
    target: Target,
    tls: ssl.SSLContext,
    token: str | None,
    device_id: str,
    rows: Sequence[OutboxRow],
    clock: Clock,
) -> Verdict:
    """Send one batch; silence and broken answers are ``later``. Raises nothing but cancellation."""
    ids = [row.id for row in rows]
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",  # an answer of a few ids; nothing to unpack, no bombs
        "User-Agent": f"aries-edge/{__version__}",
        "Idempotency-Key": idempotency_key(ids),
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        async with session.post(
            target.url, data=encode(device_id, rows), headers=headers, ssl=tls, allow_redirects=False
        ) as response:
            body = await _read(response)
            return judge(response.status, response.headers, body, ids, clock.now_ns())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return Verdict("later", error=f"{type(error).__name__}: {error}".rstrip(": "))


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            return None
    return bytes(body)
