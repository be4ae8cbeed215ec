"""The contract's HTTPS target: batches of JSON by POST. The smallest target there is."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import aiohttp
import msgspec

from appliance import __version__
from appliance.base.clock import rfc3339
from appliance.store.outbox import OutboxRow
from appliance.store.targets import Target
from appliance.sync import faults
from appliance.sync.answer import Verdict, judge
from appliance.sync.protocol.batch import MOST_ROWS
from appliance.sync.targets import Material, Pace, Probed
from appliance.sync.targets.checks import options
from appliance.sync.targets.given import Given

CONNECT_TIMEOUT_S = 10.0
LONGEST_ANSWER_BYTES = 1_000_000


class HttpsOptions(msgspec.Struct, forbid_unknown_fields=True):
    """There are none: the address and the token say it all."""


def check(target: Target, secret: str | None) -> None:
    """Raises ``invalid``; the address is judged by ``sync.address``."""
    options(target, HttpsOptions)


def make(given: Given) -> "HttpsTarget":
    return HttpsTarget(given)


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


class Reply(NamedTuple):
    """``body`` None: it was longer than we read. ``sent_bytes``: of the request, its head included."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    sent_bytes: int


class HttpsTarget:
    """One session, made at the first use: a target that is never asked costs no socket."""

    takes_files = False
    most_rows = MOST_ROWS

    def __init__(self, given: Given) -> None:
        self._given = given
        self._session: aiohttp.ClientSession | None = None

    async def put(self, rows: Sequence[OutboxRow]) -> Verdict:
        """Send one batch; silence and broken answers are ``later``. Raises nothing but cancellation."""
        ids = [row.id for row in rows]
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key(ids)}
        try:
            return self._judged(await self._post(encode(self._given.device_id, rows), headers), ids)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            unsent = 0 if isinstance(error, faults.UNSENT) else None
            return Verdict("later", error=str(faults.of(error)), sent_bytes=unsent)

    async def put_file(self, row: OutboxRow, material: Material, pace: Pace) -> Verdict:
        return Verdict("refused", error="a target of kind https takes no files")

    async def probe(self) -> Probed:
        """An empty batch: whoever takes batches takes none, too, and nothing stays of it."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key([])}
        try:
            reply = await self._post(encode(self._given.device_id, []), headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Probed.failed(faults.of(error))
        if not 200 <= reply.status < 300:
            return Probed.failed(faults.of_status(reply.status))
        if self._judged(reply, []).kind != "delivered":
            return Probed.failed(faults.unreadable(reply.body))
        return Probed(True, "it takes batches")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _judged(self, reply: Reply, ids: Sequence[str]) -> Verdict:
        verdict = judge(reply.status, reply.headers, reply.body, ids, self._given.clock.now_ns())
        return msgspec.structs.replace(verdict, sent_bytes=reply.sent_bytes)

    async def _post(self, body: bytes, headers: dict[str, str]) -> Reply:
        given = self._given
        if given.secret is not None:
            headers["Authorization"] = f"Bearer {given.secret}"
        async with self._open().post(
            given.target.url, data=body, headers=headers, ssl=given.tls, allow_redirects=False
        ) as response:
            said = await _read(response)
            sent = response.request_info.headers.items()
            head_bytes = sum(len(name) + len(value) + 4 for name, value in sent) + len(str(response.url)) + 20
            return Reply(response.status, response.headers, said, head_bytes + len(body))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout_s = self._given.timeout_s
            timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
            always = {
                "Accept-Encoding": "identity",  # an answer of a few ids; nothing to unpack, no bombs
                "User-Agent": f"aries-edge/{__version__}",
            }
            # No cookies: what a target wants remembered is the token.
            self._session = aiohttp.ClientSession(
                timeout=timeout, headers=always, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            return None
    return bytes(body)
