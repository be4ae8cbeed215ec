"""The box's connections to its hub: a warm one for what is small, another one for files."""

import asyncio
import socket
import zlib
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp
import msgspec

from appliance import __version__
from appliance.base.errors import ApplianceError
from appliance.sync import faults
from appliance.sync.answer import Verdict, judge
from appliance.sync.faults import HUB
from appliance.sync.protocol import PREFIX
from appliance.sync.targets.given import Given
from appliance.sync.targets.hub.flow import Flow, Pieces, Ready

CONNECT_TIMEOUT_S = 10.0
IDLE_S = 90.0  # three heartbeats: the connection that a critical alert takes is never cold
ROWS_AT_ONCE = 4  # a batch that is on its way, and what must not wait for it
DEAD_S = 15.0  # of the rows' connections
SLOWEST_BYTES_S = 2_000  # a link that is slower than this is none
LONGEST_ANSWER_BYTES = 1_000_000
LONGEST_REASON = 200
TCP_NOTSENT_LOWAT = 25  # tcp(7); Python 3.11's socket does not name it
UNSENT_BYTES = 16_384
HEAD_BYTES = 400
GZIP_FROM_BYTES = 700  # what fits one packet anyway is not packed
THREAD_FROM_BYTES = 32_768  # 1 ms of zlib
LEVEL, LEVEL_OF_MANY = 6, 2  # what goes over a thin link is small; what is large is a backlog on a wide one
WRAPPED = 31  # zlib's word for gzip

FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class Reply(NamedTuple):
    """``body`` None: it was longer than we read. ``sent_bytes``: of the request, its head included."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    sent_bytes: int


class Silence(Exception):
    """No answer, or none that can be read. ``fault`` says why, without a credential. ``answered``: somebody
    is there. ``sent_bytes`` 0: nothing was sent; None: nobody knows how much."""

    def __init__(
        self, fault: ApplianceError, *, answered: bool = False, sent_bytes: int | None = None
    ) -> None:
        super().__init__(str(fault))
        self.fault, self.answered, self.sent_bytes = fault, answered, sent_bytes


class _Said(msgspec.Struct):
    message: str = ""


class _Error(msgspec.Struct):
    error: _Said


class Link:
    """Sessions are made at the first use. Raises ``Silence``, and nothing else but cancellation; a request
    that is cancelled takes its connection with it, since half a body lies on it."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._base = given.target.url.rstrip("/") + PREFIX
        self._rows: aiohttp.ClientSession | None = None
        self._files: aiohttp.ClientSession | None = None
        self.flow = Flow()
        self.head_bytes = HEAD_BYTES  # of a request, as the last one had it

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        most_bytes: int = LONGEST_ANSWER_BYTES,
        file: bool = False,
    ) -> Reply:
        """JSON, in gzip where that pays, on the rows' connection; with ``file`` as it is, on the files'."""
        kind = {"Content-Type": "application/json"} if body is not None else {}
        packed = await _pack(body) if body is not None and not file else None
        if packed is not None:
            body = packed
            kind["Content-Encoding"] = "gzip"
        size = len(body or b"")
        data = None if body is None else Pieces(body, self.flow)
        limit_s = self._given.timeout_s + size / SLOWEST_BYTES_S
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(limit_s):
                reply = await self._again_if_stale(
                    self._session(file), method, path, data, {**kind, **(headers or {})}, most_bytes
                )
        except FAILURES as error:
            unsent = 0 if isinstance(error, faults.UNSENT) else None
            raise Silence(faults.of(error, HUB), sent_bytes=unsent) from error
        if size < UNSENT_BYTES:
            self.flow.learn_round(loop.time() - began_s)
        return reply

    async def send(self, path: str, data: bytes, headers: Mapping[str, str], ready: Ready) -> Reply:
        """A chunk, on the files' connection. Time that passes in ``ready`` is no silence of the hub."""
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(self._given.timeout_s)

        def moved(counts: bool) -> None:
            limit.reschedule(loop.time() + self._given.timeout_s if counts else None)

        body = Pieces(data, self.flow, ready, moved)
        try:
            async with limit:
                return await self._once(self._session(True), "PUT", path, body, headers, LONGEST_ANSWER_BYTES)
        except FAILURES as error:
            raise Silence(faults.of(error, HUB)) from error

    def verdict(self, reply: Reply, ids: Sequence[str] = ()) -> Verdict:
        """What an answer that is no success means (``sync.answer``), with the hub's own words."""
        now_ns, said = self._given.clock.now_ns(), self._reason(reply.body)
        return judge(reply.status, reply.headers, b"", ids, now_ns, peer=HUB, said=said)

    def refusal(self, reply: Reply) -> Silence:
        """The same, to be raised."""
        fault = faults.of_status(reply.status, HUB, self._reason(reply.body))
        return Silence(fault, answered=True)

    async def close(self) -> None:
        """May be called twice; the next request opens it again."""
        sessions = [session for session in (self._rows, self._files) if session is not None]
        self._rows = self._files = None
        for session in sessions:
            await session.close()

    async def _again_if_stale(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        data: Pieces | None,
        headers: Mapping[str, str],
        most_bytes: int,
    ) -> Reply:
        """A warm connection may have been closed by the other end just as we took it: then once more, on
        a new one. What we say may be said twice (D2)."""
        seen = SimpleNamespace(reused=False)
        try:
            return await self._once(session, method, path, data, headers, most_bytes, seen)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not seen.reused:
                raise
        return await self._once(session, method, path, data, headers, most_bytes)

    async def _once(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        data: Pieces | None,
        headers: Mapping[str, str],
        most_bytes: int,
        seen: SimpleNamespace | None = None,
    ) -> Reply:
        async with session.request(
            method,
            self._base + path,
            data=data,
            headers=headers,
            ssl=self._given.tls,
            allow_redirects=False,
            trace_request_ctx=seen,
        ) as response:
            body = await _read(response, most_bytes)
            if body is None:
                response.close()
            said = response.request_info.headers.items()
            head_bytes = sum(len(name) + len(value) + 4 for name, value in said) + len(self._base + path)
            self.head_bytes = head_bytes
            return Reply(
                response.status, response.headers, body, head_bytes + (data.size or 0 if data else 0)
            )

    def _session(self, file: bool) -> aiohttp.ClientSession:
        made = self._files if file else self._rows
        if made is None:
            made = self._open(1 if file else ROWS_AT_ONCE, self._given.timeout_s if file else DEAD_S)
            if file:
                self._files = made
            else:
                self._rows = made
        return made

    def _open(self, connections: int, dead_s: float) -> aiohttp.ClientSession:
        always = {
            "Accept-Encoding": "identity",  # nothing to unpack, no bombs
            "User-Agent": f"aries-edge/{__version__}",
        }
        if self._given.secret is not None:
            always["Authorization"] = f"Bearer {self._given.secret}"
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        connector = aiohttp.TCPConnector(
            limit=connections, keepalive_timeout=IDLE_S, socket_factory=lambda info: _socket(info, dead_s)
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, connect=min(CONNECT_TIMEOUT_S, self._given.timeout_s)),
            headers=always,
            cookie_jar=aiohttp.DummyCookieJar(),  # what a hub wants remembered is the token
            trust_env=False,
            trace_configs=[trace],
        )

    def _reason(self, body: bytes | None) -> str:
        try:
            said = msgspec.json.decode(body or b"", type=_Error).error.message
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        if self._given.secret:
            said = said.replace(self._given.secret, "…")
        return "".join(letter for letter in said if letter.isprintable())[:LONGEST_REASON]


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.reused = True


def _socket(info: Any, dead_s: float) -> socket.socket:
    """Little that is unsent in the kernel, and a peer that acknowledges nothing for ``dead_s`` is gone:
    after the box's address has changed, no packet will ever say so."""
    made = socket.socket(info[0], info[1], info[2])
    for level, name, value in (
        (socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(dead_s * 1000)),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ):
        try:
            made.setsockopt(level, name, value)
        except OSError:
            pass  # an older kernel: slower to notice, nothing worse
    return made


async def _pack(body: bytes) -> bytes | None:
    """None: it does not pay."""
    if len(body) < GZIP_FROM_BYTES:
        return None
    if len(body) < THREAD_FROM_BYTES:
        packed = zlib.compress(body, LEVEL, WRAPPED)
    else:
        packed = await asyncio.to_thread(zlib.compress, body, LEVEL_OF_MANY, WRAPPED)
    return packed if len(packed) < len(body) else None


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > most_bytes:
            return None
    return bytes(body)
