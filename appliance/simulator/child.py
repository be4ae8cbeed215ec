"""The simulator as a child process: for the daemon's ``sim://`` cameras, the demo and the tests.

Imports neither av nor numpy: whoever only starts simulators stays lean.
"""

import asyncio
import itertools
import logging
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.errors import KINDS, ApplianceError
from appliance.simulator.spec import CameraSpec, format_spec, parse_sim_url

log = logging.getLogger(__name__)

READY_S = 20.0  # importing av and numpy on a busy Raspberry takes some seconds
ANSWER_S = 10.0
CLOSE_S = 5.0
_LINE_BYTES = 1 << 20
_ROOT = Path(__file__).parents[2]  # where ``appliance`` lies: a checkout need not be installed


class SimulatorChild:
    """``await start()``, then ``url(name)``; ``await close()`` at the end.

    Cameras may be added while it runs. If the process dies, ``start`` again brings the same
    cameras back on the same port: ``run_once`` does so under ``base.supervision.supervise``.
    """

    def __init__(self, specs: list[CameraSpec] | None = None, *, session_timeout_s: float = 60.0) -> None:
        self._specs = {spec.name: spec for spec in specs or []}
        self._session_timeout_s = session_timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._urls: dict[str, str] = {}
        self._opened: dict[str, str] = {}  # sim:// URL -> name
        self.port = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and wait until it serves. Raises ``unavailable``."""
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "appliance.simulator",
            "--with-parent",
            "--cameras-on-stdin",
            "--listen",
            f"127.0.0.1:{self.port}",
            "--session-timeout",
            f"{self._session_timeout_s:g}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": _python_path()},
            limit=_LINE_BYTES,
            process_group=0,  # its own: Ctrl-C is for whoever started us, who then closes it
        )
        assert process.stdin is not None and process.stdout is not None
        first = {"cameras": [format_spec(spec) for spec in self._specs.values()]}
        line = b""
        try:
            process.stdin.write(msgspec.json.encode(first) + b"\n")
            line = await asyncio.wait_for(process.stdout.readline(), READY_S)
        except (TimeoutError, ConnectionError):
            pass
        if not line:
            await self.close()
            raise ApplianceError("unavailable", "the simulator did not start", "its own lines say why")
        ready = msgspec.json.decode(line)
        self.port = ready["port"]
        self._urls = ready["cameras"]
        self._reader = asyncio.create_task(self._read(process.stdout))

    def url(self, name: str) -> str:
        """``rtsp://127.0.0.1:PORT/NAME``, without credentials. Raises ``KeyError``."""
        return self._urls[name]

    async def add(self, spec: CameraSpec) -> str:
        """Serve one more camera; its URL. Raises ``conflict`` where the name is taken."""
        answer = await self.control({"do": "add", "spec": format_spec(spec)})
        self._specs[spec.name] = spec
        self._urls[spec.name] = str(answer["url"])
        return self._urls[spec.name]

    async def remove(self, name: str) -> None:
        await self.control({"camera": name, "do": "remove"})
        self._specs.pop(name, None)
        self._urls.pop(name, None)
        self._opened = {url: camera for url, camera in self._opened.items() if camera != name}

    async def open_url(
        self,
        sim_url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        allow_files: bool = False,
    ) -> str:
        """The ``rtsp://`` URL behind a ``sim://`` URL; the same one for the same URL.

        Another query under the same NAME (a sub stream) is another stream that shows the same
        scene. Credentials, where given, are what the simulated camera will ask for.
        Raises ``invalid`` for a URL that makes no sense.
        """
        key = f"{sim_url} {username or ''} {zlib.crc32((password or '').encode())}"
        if key in self._opened:
            return self.url(self._opened[key])
        spec = parse_sim_url(sim_url, allow_files=allow_files)
        if username is not None and password is not None:
            spec = msgspec.structs.replace(spec, user=username, password=password)
        if spec.name in self._specs and self._specs[spec.name] != spec:
            spec = msgspec.structs.replace(spec, name=f"{spec.name[:50]}-{zlib.crc32(key.encode()):08x}")
        if spec.name not in self._specs:
            await self.add(spec)
        self._opened[key] = spec.name
        return self.url(spec.name)

    async def control(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give an order (see ``control``); its answer. Raises what the simulator said, or
        ``unavailable`` where it says nothing."""
        if self._process is None or self._process.stdin is None or not self.running:
            raise ApplianceError("unavailable", "the simulator is not running", "start it")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._process.stdin.write(msgspec.json.encode(order | {"id": number}) + b"\n")
            said = await asyncio.wait_for(answer, ANSWER_S)
        except (TimeoutError, ConnectionError):
            raise ApplianceError("unavailable", "the simulator does not answer", "start it again") from None
        finally:
            self._answers.pop(number, None)
        if not said.get("ok"):
            raise _error(said.get("error") or {})
        return said

    async def wait(self) -> int:
        """Until the process has ended; its exit status (negative: the signal)."""
        return await self._process.wait() if self._process is not None else 0

    async def run_once(self) -> None:
        """For ``supervise``: run until the process ends; raises ``unavailable`` when it does."""
        if not self.running:
            await self.start()
        try:
            status = await self.wait()
        except asyncio.CancelledError:
            await self.close()
            raise
        raise ApplianceError(
            "unavailable", f"the simulator ended with status {status}", "it is started again"
        )

    async def close(self) -> None:
        """End the process; it gets some seconds to do so by itself."""
        process, self._process = self._process, None
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            try:
                process.terminate()
                await asyncio.wait_for(process.wait(), CLOSE_S)
            except TimeoutError:
                process.kill()
                await process.wait()
            except ProcessLookupError:
                await process.wait()

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            said = msgspec.json.decode(line)
            answer = self._answers.get(said.get("id"))
            if answer is not None and not answer.done():
                answer.set_result(said)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError())


def _python_path() -> str:
    known = os.environ.get("PYTHONPATH")
    return f"{_ROOT}{os.pathsep}{known}" if known else str(_ROOT)


def _error(said: dict[str, Any]) -> ApplianceError:
    kind = said.get("kind")
    text, hint = str(said.get("message", "refused")), str(said.get("hint", ""))
    return ApplianceError(kind if kind in KINDS else "internal", text, hint)
