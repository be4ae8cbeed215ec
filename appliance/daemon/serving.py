"""The web on its socket: TLS with the box's own certificate, plain HTTP only where that is safe."""

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack

from aiohttp import web
from aiohttp.web_runner import AppRunner, SockSite

from appliance.base.clock import Clock
from appliance.base.config import Config, TlsFiles
from appliance.base.errors import ApplianceError
from appliance.daemon.door import OF_BOX, Crowd, Door, listeners
from appliance.system import tls

KEEP_ALIVE_S = 75.0
SHUTDOWN_S = 2.0  # open sockets are told; viewers come back by themselves


class Served:
    """Where the web answers. ``fingerprint`` is None over plain HTTP."""

    def __init__(self, url: str, fingerprint: str | None, runner: AppRunner) -> None:
        self.url = url
        self.fingerprint = fingerprint
        self._runner = runner

    async def connect(self, shown: tls.ServerTls) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the web that no network sees, always with TLS. Who comes by it is not from
        loopback: what loopback may do without signing in, it may not."""
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            theirs.setblocking(False)
            loop = asyncio.get_running_loop()
            if self._runner.server is None:
                raise ApplianceError("unavailable", "the web is not up", "try again in a moment")
            begun = asyncio.create_task(
                loop.connect_accepted_socket(self._runner.server, theirs, ssl=shown.context)
            )
            begun.add_done_callback(_never_mind)  # its handshake needs the other end, which is the caller's
            return await asyncio.open_connection(sock=ours)
        except BaseException:  # cancelled or refused: neither end may be left open
            ours.close()
            theirs.close()
            raise


async def serve(
    stack: AsyncExitStack,
    app: web.Application,
    config: Config,
    clock: Clock,
    *,
    auto_decompress: bool = True,
    crowd: Crowd = OF_BOX,
) -> Served:
    """Listen until ``stack`` closes. ``auto_decompress`` False: packed bodies reach ``app`` as they are.
    ``crowd``: how many may be connected. Raises ``conflict`` where the port is taken."""
    context, fingerprint = _context(config, clock)
    door = Door(clock)
    door.greet(app)
    runner = AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_S,
        keepalive_timeout=KEEP_ALIVE_S,
        auto_decompress=auto_decompress,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        for listener in listeners(config.listen.host, config.listen.port, crowd):
            await SockSite(runner, listener, ssl_context=context, backlog=crowd.backlog).start()
    except OSError as error:
        raise ApplianceError(
            "conflict",
            f"nothing can listen on {config.listen}: {error.strerror}",
            "stop what uses that port, or choose another with --listen HOST:PORT",
            field="listen",
        ) from error
    if runner.server is not None:
        stack.callback(asyncio.create_task(door.run(runner.server), name="door").cancel)
    port = runner.addresses[0][1]
    host = "localhost" if config.listen.host in ("0.0.0.0", "::") else config.listen.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return Served(f"{'https' if context else 'http'}://{host}:{port}", fingerprint, runner)


def shown(config: Config, clock: Clock) -> tls.ServerTls:
    """The certificate of this box, also where its own door speaks plain HTTP."""
    if isinstance(config.tls, TlsFiles):
        return tls.from_files(config.tls)
    return tls.own(config.secrets_dir, clock)


def _never_mind(task: asyncio.Task[object]) -> None:
    if not task.cancelled():
        task.exception()  # a handshake that failed is the browser's affair; it was retrieved


def _context(config: Config, clock: Clock) -> tuple[ssl.SSLContext | None, str | None]:
    if config.plain_http:
        return None, None
    found = shown(config, clock)
    return found.context, found.fingerprint
