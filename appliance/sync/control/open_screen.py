"""``open_screen``: this box's own screen, lent through the hub for some minutes.

Nothing listens anywhere for it: the box calls the hub, and who comes that way signs in at the box as at its
own door. The admin who takes the permission back, or the hub away, ends it within seconds.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec

from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.errors import ApplianceError
from appliance.store import hub_link
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.sync import faults
from appliance.sync.address import tls_of
from appliance.sync.control.applier import Outcome, body_of
from appliance.sync.control.poll import Peer
from appliance.sync.control.whom import whom
from appliance.sync.faults import HUB
from appliance.sync.pipe import carry
from appliance.sync.protocol import PREFIX
from appliance.sync.protocol.command import Command
from appliance.sync.protocol.screen import (
    LONGEST_MESSAGE_BYTES,
    MOST_CONNECTIONS,
    PATH,
    Connect,
    Hello,
    OpenScreen,
)

log = logging.getLogger(__name__)

MOST_OPEN = 2
TRIES, BETWEEN_S = (
    10,
    1.0,
)  # of several instances behind a balancer one has the session: asked until it is that
HEARTBEAT_S = 20.0
WATCH_S = 5.0
OPEN_S = 15.0

Door = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Screens:
    """``door``: a new connection to the box's own web, TLS not yet spoken. ``fingerprint``: of the
    certificate that it shows. Given by the daemon, and asked when they are needed."""

    def __init__(
        self, db: Database, sealer: Sealer, clock: Clock, door: Door, fingerprint: Callable[[], str]
    ) -> None:
        self._db, self._sealer, self._clock = db, sealer, clock
        self._door, self._fingerprint = door, fingerprint
        self._open: dict[str, asyncio.Task[None]] = {}

    async def apply(self, command: Command) -> Outcome:
        """Done as soon as the hub has the screen; it stays for its minutes. Raises ``exhausted`` where two
        are open, ``unavailable`` where the hub does not take it."""
        wanted = body_of(command, OpenScreen)
        if len(self._open) >= MOST_OPEN:
            raise ApplianceError("exhausted", f"{MOST_OPEN} screens are open already", "close one first")
        peer = await self._db.read(lambda conn: whom(conn, self._sealer))
        if peer is None:
            raise ApplianceError("unavailable", "this box belongs to no hub", "enrol it")
        until_ns = self._clock.now_ns() + wanted.minutes * 60 * SECOND_NS
        stands: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._lend(peer, wanted, stands), name="screen")
        self._open[wanted.session] = task
        task.add_done_callback(lambda _: self._open.pop(wanted.session, None))
        await asyncio.wait({task, stands}, return_when=asyncio.FIRST_COMPLETED)
        if not stands.done():
            stands.cancel()
            task.result()  # raises what was in the way
            raise ApplianceError("unavailable", "the hub does not want the screen any more", "open it again")
        until = rfc3339(until_ns)
        return Outcome(message=f"the screen is open until {until}", result={"until": until})

    async def recall(self, command: Command) -> Outcome | None:
        """It was open, and ended with the box."""
        return None

    async def close(self) -> None:
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _lend(self, peer: Peer, wanted: OpenScreen, stands: asyncio.Future[None]) -> None:
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers={"Authorization": f"Bearer {peer.token}"},
        ) as session:
            wire = await self._call(session, peer, wanted.session)
            try:
                await wire.send_json(msgspec.to_builtins(Hello(self._fingerprint())))
                stands.set_result(None)
                ends = [
                    asyncio.ensure_future(self._serve(session, peer, wanted.session, wire)),
                    asyncio.ensure_future(self._clock.sleep(wanted.minutes * 60)),
                    asyncio.ensure_future(self._forbidden(peer)),
                ]
                try:
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in ends:
                        each.cancel()
                    await asyncio.gather(*ends, return_exceptions=True)
            finally:
                with contextlib.suppress(OSError, aiohttp.ClientError):
                    await wire.close()

    async def _serve(
        self,
        session: aiohttp.ClientSession,
        peer: Peer,
        name: str,
        wire: aiohttp.ClientWebSocketResponse,
    ) -> None:
        """Until the hub hangs up: one more connection with each ``Connect``."""
        async with contextlib.AsyncExitStack() as stack:
            carried: set[asyncio.Task[None]] = set()
            stack.push_async_callback(_end_all, carried)
            async for message in wire:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                number = msgspec.json.decode(message.data, type=Connect).connect
                if len(carried) < MOST_CONNECTIONS:
                    task = asyncio.create_task(self._carry(session, peer, f"{name}/{number}"))
                    carried.add(task)
                    task.add_done_callback(carried.discard)

    async def _carry(self, session: aiohttp.ClientSession, peer: Peer, path: str) -> None:
        try:
            wire = await self._call(session, peer, path)
        except ApplianceError as error:
            log.warning("a connection of the lent screen: %s", error.message)
            return
        await carry(wire, *await self._door())

    async def _call(
        self, session: aiohttp.ClientSession, peer: Peer, path: str
    ) -> aiohttp.ClientWebSocketResponse:
        """Raises ``unavailable``, in the words for a hub."""
        url = peer.target.url.rstrip("/") + PREFIX + PATH + "/" + path
        for left in reversed(range(TRIES)):
            try:
                async with asyncio.timeout(OPEN_S):
                    return await session.ws_connect(
                        url,
                        ssl=tls_of(peer.target),
                        heartbeat=HEARTBEAT_S,
                        compress=0,
                        max_msg_size=LONGEST_MESSAGE_BYTES,
                    )
            except aiohttp.WSServerHandshakeError as error:
                if error.status != 404 or not left:
                    raise faults.of_status(error.status, HUB) from error
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise faults.of(error, HUB) from error
            await self._clock.sleep(BETWEEN_S)
        raise AssertionError("the last try returns or raises")

    async def _forbidden(self, peer: Peer) -> None:
        """Returns when the box's admin has taken it back, or the hub is another."""

        def is_allowed(conn: sqlite3.Connection) -> bool:
            now = whom(conn, self._sealer)
            same = now is not None and (now.target.url, now.token) == (peer.target.url, peer.token)
            return same and "open_screen" in hub_link.allowed(conn)

        while await self._db.read(is_allowed):
            await self._clock.sleep(WATCH_S)


async def _end_all(tasks: set[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*list(tasks), return_exceptions=True)
