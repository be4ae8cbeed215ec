"""The web on its socket: TLS with the box's own certificate, plain HTTP only where that is safe."""

import asyncio
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

    def __init__(self, url: str, fingerprint: str | None) -> None:
        self.url = url
        self.fingerprint = fingerprint


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
    return Served(f"{'https' if context else 'http'}://{host}:{port}", fingerprint)


def _context(config: Config, clock: Clock) -> tuple[ssl.SSLContext | None, str | None]:
    if config.plain_http:
        return None, None
    found = (
        tls.from_files(config.tls) if isinstance(config.tls, TlsFiles) else tls.own(config.secrets_dir, clock)
    )
    return found.context, found.fingerprint
