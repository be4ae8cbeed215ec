"""A box with two simulated cameras and its daemon, one for all tests of the room, as the wizard has it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError
from appliance.system.programs import Programs
from provisioning.ground import Ground

ROOT = Path(__file__).resolve().parents[4]
PASSWORD = "a line of five dull words"


class RunningDaemon:
    """``ground.Daemon`` over ``appliance run``: what ``provisioning.daemon`` is, without its wizard."""

    is_box = True

    def __init__(self, data: Path, boot: str) -> None:
        self.data, self.boot = data, boot
        self.environment = os.environ | {"PYTHONPATH": str(ROOT), "ARIES_BOOT_ID": boot}
        self._child: subprocess.Popen[bytes] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._token = ""

    async def start(self) -> None:
        command = [sys.executable, "-m", "appliance", "run", "--data", str(self.data)]
        options = ["--listen", "127.0.0.1:0", "--json", "--detector", "motion"]
        log = (self.data.parent / "daemon.log").open("ab")
        self._child = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            env=self.environment,
            start_new_session=True,
        )
        log.close()
        line = self._child.stdout.readline()
        assert line, (self.data.parent / "daemon.log").read_text()[-2000:]
        self._http = aiohttp.ClientSession(json.loads(line)["url"], cookie_jar=aiohttp.DummyCookieJar())
        login = {"username": "admin", "password": PASSWORD}
        self._token = ""
        self._token = (await self.ask("POST", "/auth/login", login))["access_token"]

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        _, data = await self._send(method, path, body)
        return json.loads(data) if data else None

    async def fetch(self, path: str) -> tuple[str, bytes]:
        return await self._send("GET", path, None)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def _send(self, method: str, path: str, body: object) -> tuple[str, bytes]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with self._http.request(method, f"/api/v1{path}", json=body, headers=headers) as answer:
            data = await answer.read()
            if answer.status >= 400:
                error = json.loads(data)["error"]
                raise ApplianceError(error["kind"], error["message"], error["hint"], field=error.get("field"))
            return answer.content_type, data

    async def kill(self) -> None:
        """As a power cut ends it, children and all."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None
        if self._child is not None:
            if number == signal.SIGKILL:
                os.killpg(self._child.pid, number)
            else:
                self._child.send_signal(number)
            self._child.wait(20)
            self._child.stdout.close()
            self._child = None


@pytest.fixture(scope="session")
def boxes(tmp_path_factory):
    """``make(name)``: a folder that is a box with an administrator, not running yet."""

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / "password").write_text(PASSWORD + "\n")
        (folder / "password").chmod(0o600)
        data = folder / "box"
        words = ["init", "--data", str(data), "--admin-password-file", str(folder / "password")]
        done = subprocess.run(
            [sys.executable, "-m", "appliance", *words],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return data

    return make


CAMERAS = {"Gate": "sim://gate?fps=15&size=320x180", "Yard": "sim://yard?fps=10&size=320x180"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def daemon(boxes) -> AsyncIterator[RunningDaemon]:
    found = RunningDaemon(boxes("acceptance"), "the first boot")
    await found.start()
    for name, url in CAMERAS.items():
        await found.ask("POST", "/cameras", {"name": name, "rtsp_url": url})
    yield found
    await found.stop()


@pytest.fixture
def ground(daemon, tmp_path, monkeypatch) -> Ground:
    monkeypatch.setenv("ARIES_BOOT_ID", daemon.boot)
    return Ground(daemon.data, BoxClock(), Programs(), daemon, root=tmp_path, run=tmp_path)
