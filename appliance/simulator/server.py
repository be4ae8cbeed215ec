"""The RTSP server: who listens, which cameras there are, whose script is due."""

import asyncio
import logging
import re
from typing import Any

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.simulator.camera import Camera
from appliance.simulator.connection import Connection
from appliance.simulator.sample import ChangingSource
from appliance.simulator.spec import CameraSpec
from appliance.simulator.steps import Step

log = logging.getLogger(__name__)

SESSION_TIMEOUT_S = 60.0  # RFC 2326, section 12.37
# the first part of the path is the camera's name
_PATH = re.compile(r"(?:rtsps?://[^/]*)?/?([^/?]*)(?:[/?].*?)?(?:trackID=(\d))?", re.IGNORECASE)


class Server:
    """``listen``, then ``add`` cameras; ``close`` at the end. All on one loop."""

    def __init__(self, clock: Clock, session_timeout_s: float = SESSION_TIMEOUT_S) -> None:
        self.clock = clock
        self.session_timeout_s = session_timeout_s
        self._host = "127.0.0.1"
        self._port = 0
        self._cameras: dict[str, Camera] = {}
        self._listeners: dict[str, asyncio.Server] = {}  # by camera; "" is the shared one
        self._ports: dict[str, int] = {}  # of cameras with their own
        self._connections: set[Connection] = set()
        self._scripts: dict[str, list[asyncio.TimerHandle]] = {}
        self._scenes_ns: dict[int, int] = {}  # seed -> when that scene was first drawn
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> int:
        """Begin; ``port`` 0 takes a free one. Raises ``unavailable``."""
        self._host = host
        self._listeners[""] = await self._open(port)
        self._port = self._listeners[""].sockets[0].getsockname()[1]
        self._ticker = asyncio.create_task(self._tick())
        return self._port

    async def add(self, spec: CameraSpec, source: ChangingSource | None = None) -> str:
        """Serve one more camera, out of ``source`` where it has one; its URL. Raises ``conflict``
        where the name is taken."""
        if spec.name in self._cameras:
            raise ApplianceError("conflict", f"there is a camera {spec.name!r} already", "take another name")
        camera = Camera(spec, self.clock, self._scene_began_ns, source)
        for step in spec.script:
            if step.at_s == 0:
                camera.apply(step)
        if spec.port is not None and not camera.faults.refusing:
            await self._open_own(spec.name, spec.port)
        self._cameras[spec.name] = camera
        return self.url(spec.name)

    def remove(self, name: str) -> None:
        camera = self._camera(name)
        for timer in self._scripts.pop(name, []):
            timer.cancel()
        self._end_connections(camera)
        camera.close()
        self._close_own(name)
        self._ports.pop(name, None)
        del self._cameras[name]

    async def apply(self, name: str, step: Step) -> None:
        """Make a camera misbehave. Raises ``not_found`` and ``invalid``."""
        camera = self._camera(name)
        camera.apply(step)
        if step.do in ("refuse", "reset"):
            self._end_connections(camera)
        if step.do == "refuse":
            self._close_own(name)
        elif step.do == "heal" and camera.healthy.port is not None and name not in self._listeners:
            await self._open_own(name, self._ports.get(name, camera.healthy.port))

    def url(self, name: str) -> str:
        return f"rtsp://{self._host}:{self._ports.get(name, self._port)}/{name}"

    @property
    def urls(self) -> dict[str, str]:
        return {name: self.url(name) for name in self._cameras}

    def status(self, name: str) -> dict[str, Any]:
        return self._camera(name).status()

    async def close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        for listener in self._listeners.values():
            listener.close()
        for name in tuple(self._cameras):
            self.remove(name)
        for connection in tuple(self._connections):
            connection.end("close")

    # -- connection.Host

    def find(self, url: str) -> tuple[Camera | None, str | None]:
        match = _PATH.fullmatch(url)
        return (self._cameras.get(match[1]), match[2]) if match is not None else (None, None)

    def played(self, camera: Camera) -> None:
        name = camera.healthy.name
        if name in self._scripts or self._cameras.get(name) is not camera:
            return
        loop = asyncio.get_running_loop()
        self._scripts[name] = [
            loop.call_later(step.at_s, self._act, name, step)
            for step in camera.healthy.script
            if step.at_s > 0
        ]

    # -- inside

    def _act(self, name: str, step: Step) -> None:
        task = asyncio.create_task(self._act_logged(name, step))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _act_logged(self, name: str, step: Step) -> None:
        try:
            await self.apply(name, step)
        except ApplianceError as error:
            log.warning("camera %s: %s", name, error)

    def _camera(self, name: str) -> Camera:
        if name not in self._cameras:
            raise not_found("camera", name[:70])
        return self._cameras[name]

    def _scene_began_ns(self, seed: int) -> int:
        return self._scenes_ns.setdefault(seed, self.clock.monotonic_ns())

    async def _open(self, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(
                lambda: self._remember(Connection(self, self._connections.discard)), self._host, port
            )
        except (OSError, OverflowError) as error:
            hint = "take another port, or 0 for a free one"
            raise ApplianceError("unavailable", f"cannot listen on port {port}: {error}", hint) from None

    def _remember(self, connection: Connection) -> Connection:
        self._connections.add(connection)
        return connection

    async def _open_own(self, name: str, port: int) -> None:
        self._listeners[name] = await self._open(port)
        self._ports[name] = self._listeners[name].sockets[0].getsockname()[1]

    def _close_own(self, name: str) -> None:
        listener = self._listeners.pop(name, None)
        if listener is not None:
            listener.close()

    def _end_connections(self, camera: Camera) -> None:
        for connection in tuple(self._connections):
            if connection.uses(camera):
                connection.end("reset")

    async def _tick(self) -> None:
        while True:
            await self.clock.sleep(1.0)
            for connection in tuple(self._connections):
                connection.check_timeout()


def parse_listen(text: str) -> tuple[str, int]:
    """``127.0.0.1:0`` -> its parts. Raises ``invalid``."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise invalid(f"{text[:60]!r} is not HOST:PORT", "write it as 127.0.0.1:0", field="listen")
    return host.strip("[]") or "127.0.0.1", int(port)
