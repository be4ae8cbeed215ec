"""The whole box as a child process, with cameras before it: what a person would start and see."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp
import pytest

from appliance.media.ring.recovery import hour_dirs, stream_dirs
from appliance.media.ring.scan import Scan, scan
from appliance.simulator.child import SimulatorChild
from appliance.simulator.sei import read_sei
from appliance.simulator.spec import parse_spec

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a line of five dull words"
POLL_S = 0.05
API = "/api/v1"


def seconds(text: str) -> float:
    """RFC 3339 -> seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def iso(moment: float) -> str:
    """Seconds since 1970 -> as the box writes times."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def until(
    holds: Callable[[], Any], timeout_s: float, what: str | Callable[[], str] = "it never came true"
) -> Any:
    """The first truthy answer of ``holds`` (which may be a coroutine function)."""
    end = time.monotonic() + timeout_s
    while True:
        found = holds()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        if time.monotonic() > end:
            pytest.fail(what if isinstance(what, str) else what())
        await asyncio.sleep(POLL_S)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Sockets:
    """One ``/ws/events``: what it said, each with when (seconds since 1970) it was heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, Any]] = []
        self._news = asyncio.Event()
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._task: asyncio.Task[None] | None = None

    async def listen(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

        async def run() -> None:
            async for message in ws:
                self.heard.append((time.time(), json.loads(message.data)))
                self._news.set()

        self._task = asyncio.create_task(run())

    async def wait(
        self, wanted: Callable[[dict[str, Any]], bool], timeout_s: float, start: int = 0
    ) -> tuple[float, dict[str, Any]]:
        """(when heard, message): the first from ``start`` on that is ``wanted``."""
        end, at = time.monotonic() + timeout_s, start
        while True:
            self._news.clear()
            while at < len(self.heard):
                if wanted(self.heard[at][1]):
                    return self.heard[at]
                at += 1
            left = end - time.monotonic()
            assert left > 0, f"never heard; but {[m for _, m in self.heard[start:]][-8:]}"
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                pass

    async def close(self) -> None:
        if self._ws is not None:
            await self._ws.close()
        if self._task is not None:
            await self._task


class RunningBox:
    """``appliance run`` on ``data``; ``start`` again after ``stop`` or ``kill``."""

    def __init__(self, data: Path, log: Path) -> None:
        self.data = data
        self.log = log
        self.ready: dict[str, Any] = {}
        self.ready_after_s = 0.0
        self.process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None
        self._token = ""
        self._sockets: list[Sockets] = []

    # -- the process ------------------------------------------------------------------------

    def command(self, *options: str) -> list[str]:
        run = [sys.executable, "-m", "appliance", "run", "--data", str(self.data)]
        return [*run, "--listen", "127.0.0.1:0", "--json", *options]

    async def start(self, *options: str, timeout_s: float = 30, **variables: str) -> None:
        """Until it says that it is ready."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command(*options),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), timeout_s)
        assert line, f"it ended: {self.log.read_text()[-3000:]}"
        self.ready = json.loads(line)
        self.ready_after_s = time.monotonic() - began
        self._http = aiohttp.ClientSession(self.ready["url"], cookie_jar=aiohttp.DummyCookieJar())
        self._token = ""

    async def stop(self) -> tuple[int, float]:
        """SIGTERM: (exit status, seconds)."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), 30)
        took_s = time.monotonic() - began
        await self._hang_up()
        return code, took_s

    async def kill(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        await self._hang_up()

    async def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.kill()
        await self._hang_up()

    async def _hang_up(self) -> None:
        for sockets in self._sockets:
            await sockets.close()
        self._sockets.clear()
        if self._http is not None:
            await self._http.close()
            self._http = None

    # -- HTTP -------------------------------------------------------------------------------

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        """As admin; ``path`` behind ``/api/v1`` unless it begins with ``//``. Any status is an answer."""
        found = await self._ask(method, path, body, query)
        if found.status == 401:
            await self._sign_in()
            found = await self._ask(method, path, body, query)
        return found

    async def get(self, path: str, **query: Any) -> Any:
        found = await self.call("GET", path, **query)
        assert found.status == 200, (path, found)
        return found.json

    async def make(self, path: str, body: Any) -> Any:
        """POST something new; the thing, out of its wrapping."""
        found = await self.call("POST", path, body)
        assert found.status == 201, (path, found)
        (thing,) = found.json.values()
        return thing

    async def _ask(self, method: str, path: str, body: Any, query: dict[str, Any]) -> Answer:
        assert self._http is not None
        url = path[1:] if path.startswith("//") else API + path
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with self._http.request(method, url, json=body, params=query, headers=headers) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.read())

    async def _sign_in(self) -> None:
        self._token = ""
        found = await self._ask("POST", "/auth/login", {"username": "admin", "password": PASSWORD}, {})
        assert found.status == 200, found
        self._token = found.json["access_token"]

    async def events(self, since: int | None = None) -> Sockets:
        """An open ``/ws/events``."""
        if not self._token:
            await self._sign_in()
        assert self._http is not None
        query = {} if since is None else {"since": str(since)}
        headers = {"Authorization": f"Bearer {self._token}"}
        made = Sockets()
        await made.listen(await self._http.ws_connect("/ws/events", params=query, headers=headers))
        self._sockets.append(made)
        return made

    # -- what is asked again and again ------------------------------------------------------

    async def add_camera(self, name: str, url: str, **fields: Any) -> str:
        body = {"name": name, "rtsp_url": url, "detect": {"enabled": False}} | fields
        return str((await self.make("/cameras", body))["id"])

    async def status(self, camera_id: str) -> dict[str, Any]:
        return dict((await self.get(f"/cameras/{camera_id}"))["camera"]["status"])

    async def in_state(self, camera_id: str, state: str, timeout_s: float) -> dict[str, Any]:
        last: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal last
            last = await self.status(camera_id)
            return bool(last["state"] == state)

        await until(look, timeout_s, lambda: f"{camera_id} is not {state} but {last}")
        return last

    async def detector(self) -> dict[str, Any]:
        return dict((await self.get("/system/status"))["detector"])

    async def spans(self, camera_id: str, stream: str = "main") -> list[dict[str, Any]]:
        """Everything since the camera was added: without the gap before it existed."""
        query = {"start_time": iso(time.time() - 3600), "end_time": iso(time.time() + 60)}
        found = await self.get(f"/cameras/{camera_id}/recordings", stream=stream, **query)
        spans: list[dict[str, Any]] = found["spans"]
        return spans[1:] if spans and spans[0]["cause"] == "disabled" else spans

    # -- the disk ---------------------------------------------------------------------------

    def segments(self, camera_id: str, stream: str = "main") -> list[tuple[Path, Scan]]:
        """The camera's files in the order in which they were written."""
        found = []
        for folder in stream_dirs(self.data / "recordings"):
            if folder.parent.name == camera_id and folder.name == stream:
                found += [(path, scan(path)) for hour in hour_dirs(folder) for path in hour.glob("*.mp4")]
        return sorted(found, key=lambda item: (item[1].head.run_id, item[1].head.sequence))

    def samples(self, camera_id: str, stream: str = "main") -> dict[str, list[bytes]]:
        """run -> its video samples as they lie in the files, in order."""
        runs: dict[str, list[bytes]] = {}
        for path, seen in self.segments(camera_id, stream):
            content = path.read_bytes()
            runs.setdefault(seen.head.run_id, []).extend(
                content[sample.offset : sample.offset + sample.size] for sample in seen.video
            )
        return runs

    def numbers(self, camera_id: str, stream: str = "main") -> list[list[int]]:
        """Per run, the simulator's number of every recorded frame (``sei=1``), in the files' order."""
        return [[_number(sample) for sample in run] for run in self.samples(camera_id, stream).values()]

    def check(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "appliance", "check", "--data", str(self.data)],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )


def _number(sample: bytes) -> int:
    for unit in split(sample):
        if (found := read_sei(unit)) is not None:
            return found[1]
    pytest.fail("a frame without a number")


def split(sample: bytes) -> list[bytes]:
    """NAL units of a length-prefixed sample."""
    units, at = [], 0
    while at < len(sample):
        size = int.from_bytes(sample[at : at + 4], "big")
        units.append(sample[at + 4 : at + 4 + size])
        at += 4 + size
    return units


def slices(codec: str, units: list[bytes]) -> str:
    """Digest of the coded slices of a picture: what no server on the way may change."""
    is_slice = (lambda u: 1 <= u[0] & 0x1F <= 5) if codec == "h264" else (lambda u: u[0] >> 1 < 32)
    return hashlib.md5(b"".join(u for u in units if is_slice(u)), usedforsecurity=False).hexdigest()


def complaints(path: Path) -> str:
    """What ``ffmpeg -v error`` has to say of every frame of a file."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr or ("" if done.returncode == 0 else f"exit {done.returncode}")


def probed(path: Path) -> list[dict[str, Any]]:
    """The streams of a file, as ffprobe sees them, with their frames counted."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)]
    streams: list[dict[str, Any]] = json.loads(
        subprocess.run(command, capture_output=True, check=True).stdout
    )["streams"]
    return streams


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """Plain functions, for tests that may not import each other."""
    functions = (until, seconds, iso, slices, split, complaints, probed)
    return SimpleNamespace(**{function.__name__: function for function in functions})


@pytest.fixture(scope="session")
def fresh_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """``fresh_data(folder)``: a box that has seen its first boot and nothing else."""
    folder = tmp_path_factory.mktemp("init")
    secret = folder / "password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    command = [sys.executable, "-m", "appliance", "init", "--data", str(folder / "data")]
    done = subprocess.run(
        [*command, "--admin-password-file", str(secret)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr

    def make(target: Path) -> Path:
        return Path(shutil.copytree(folder / "data", target, dirs_exist_ok=True))

    return make


@pytest.fixture
async def box(tmp_path: Path, fresh_data: Callable[[Path], Path]) -> AsyncIterator[RunningBox]:
    """Initialised, not started."""
    made = RunningBox(fresh_data(tmp_path / "data"), tmp_path / "box.log")
    yield made
    await made.close()
    log = made.log.read_text() if made.log.exists() else ""
    assert PASSWORD not in log
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]


@pytest.fixture
async def simulator() -> AsyncIterator[SimulatorChild]:
    """Running, without cameras; beside the box, so that it outlives it."""
    child = SimulatorChild()
    await child.start()
    yield child
    await child.close()


@pytest.fixture
def scene(simulator: SimulatorChild) -> Callable[..., Awaitable[str]]:
    """``await scene("gate?fps=10&sei=1")``: one more simulated camera; its URL."""

    async def add(text: str) -> str:
        return await simulator.add(parse_spec(text))

    return add


@pytest.fixture
def order(simulator: SimulatorChild) -> Callable[..., Awaitable[dict[str, Any]]]:
    """``await order("gate", "stall")``."""

    async def give(camera: str, do: str, value: Any = None) -> dict[str, Any]:
        more = {} if value is None else {"value": value}
        return await simulator.control({"camera": camera, "do": do, **more})

    return give
