"""The wizard put together: one port, its name, its screen; until it is finished or told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from appliance import __version__
from appliance.base import config as configuration
from appliance.base.clock import BoxClock, Clock
from appliance.base.config import Listen
from appliance.base.errors import ApplianceError
from appliance.system import tls
from appliance.system.programs import Programs
from provisioning import places
from provisioning.announce import Announcement
from provisioning.claim import Claim
from provisioning.console import Console, Shown
from provisioning.daemon import BoxDaemon
from provisioning.ground import Ground
from provisioning.record import Record, alone, hand_over, make_folder
from provisioning.web.app import make_app
from provisioning.wizard import Wizard

log = logging.getLogger(__name__)

SHUTDOWN_S = 2.0
LOOK_S = 5.0  # for new addresses: a cable plugged in, a lease
FLUSH_S = 0.5  # the telephone gets its last answer


class Options(msgspec.Struct, frozen=True):
    """``ready``: told the first picture of the screen, once the port answers. ``root``, ``run``: as in
    ``Ground``."""

    data_dir: Path
    listen: Listen
    console: Console
    ready: Callable[[str, Shown], None]
    root: Path = Path("/")
    run: Path = Path("/run/aries")
    programs: Programs = Programs()


class Serving:
    """One life of the wizard. Raises ``conflict`` where the box is provisioned, or another one works."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._over = asyncio.Event()
        self._fingerprint = ""

    async def run(self) -> None:
        data_dir = self._options.data_dir
        with alone(data_dir):
            self._record = Record(data_dir, self._clock)
            self._record.begin()
            if self._record.is_provisioned:
                raise ApplianceError(
                    "conflict",
                    "this box is provisioned already",
                    "sign in to the box itself, or reset it first",
                )
            self._claim = Claim(make_folder(data_dir), self._clock)
            self._daemon = BoxDaemon(data_dir, self._clock)
            options = self._options
            ground = Ground(data_dir, self._clock, options.programs, self._daemon, options.root, options.run)
            wizard = Wizard(ground, self._record)
            try:
                await self._serve(wizard)
            finally:
                await wizard.close()
                await self._daemon.close()

    async def _serve(self, wizard: Wizard) -> None:
        found = tls.own(self._options.data_dir / "secrets", self._clock)
        for path in (found.cert.parent, found.cert, found.key):
            hand_over(path)
        self._fingerprint = found.fingerprint
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        app = make_app(wizard, self._claim, self._finish)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        listen = self._options.listen
        try:
            await web.TCPSite(runner, listen.host, listen.port, ssl_context=found.context).start()
        except OSError as error:
            await runner.cleanup()
            raise ApplianceError(
                "conflict", f"nothing can listen on {listen}: {error.strerror}", "stop what uses that port"
            ) from error
        port = runner.addresses[0][1]
        tasks = [
            asyncio.create_task(self._keep_found(port), name="found"),
            asyncio.create_task(self._record_again(), name="box"),
        ]
        try:
            await self._over.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await runner.cleanup()
            self._options.console.clear()

    async def _record_again(self) -> None:
        """After a power cut nobody need claim the box for its cameras to be recorded again."""
        if not self._daemon.is_box:
            return
        try:
            await self._daemon.ask("GET", "/system/status")
        except ApplianceError as error:  # whoever asks next is told; the wizard is there all the same
            log.warning("the box does not record yet: %s", error)

    async def _keep_found(self, port: int) -> None:
        """The screen and the name in the network follow the box's addresses."""
        name = places.name(self._options.programs)
        listen = self._options.listen
        is_told, fallback = False, None
        async with contextlib.AsyncExitStack() as stack:
            announcement = Announcement(name, port)
            stack.push_async_callback(announcement.close)
            if not listen.loopback:
                fallback = places.Fallback(self._options.programs, self._clock)
                stack.callback(fallback.end)
            while True:
                if isinstance(self._clock, BoxClock):
                    self._clock.poll()
                if fallback is not None:
                    fallback.look()
                addresses = (listen.host,) if listen.loopback else places.addresses(self._options.programs)
                urls = tuple(f"https://{address}:{port}" for address in addresses)
                if not listen.loopback and urls:
                    urls = (*urls, f"https://{name}.local:{port}")
                shown = Shown(self._claim.code, name, urls, self._fingerprint)
                self._options.console.show(shown)
                if not is_told:
                    can_be_opened = urls and listen.host in ("0.0.0.0", "::")  # noqa: S104 - "any" cannot
                    self._options.ready(urls[0] if can_be_opened else f"https://{listen.host}:{port}", shown)
                    is_told = True
                try:
                    await announcement.follow(addresses)
                except OSError as error:
                    log.warning("the wizard cannot be announced in the network: %s", error)
                await self._clock.sleep(LOOK_S)

    async def _finish(self, called: str) -> dict[str, Any]:
        """The child stops, the mark is written, the port closes. Killed in between: finish again."""
        await self._daemon.close()
        self._record.finish(__version__)
        self._claim.end()
        asyncio.get_running_loop().call_later(FLUSH_S, self._over.set)
        config = configuration.load(os.environ, data_dir=self._options.data_dir)
        host = f"[{called}]" if ":" in called else called
        log.info("this box is provisioned")
        return {"address": f"https://{host}:{config.listen.port}", "fingerprint": self._fingerprint}
