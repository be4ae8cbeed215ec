"""Steps that do little, a daemon that is a dictionary, and the wizard's own program as a child."""

import asyncio
import json
import os
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.system.programs import Done, Programs
from provisioning import steps
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan

PASSWORD = "a walk in the harbour"


class PlayedDaemon:
    """A box of a few routes."""

    def __init__(self) -> None:
        self.is_box = True
        self.users = [_user("ann")]
        self.settings: dict[str, Any] = {"site": {"name": "Site", "time_zone": "Etc/UTC"}, "night": {}}
        self.asked: list[tuple[str, str]] = []
        self.made: list[tuple[str, str]] = []
        self.refusal: ApplianceError | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        self.asked.append((method, path))
        if self.refusal is not None and method != "GET":
            raise self.refusal
        if path == "/settings":
            if method == "PUT":
                self.settings = body
            return {"settings": self.settings}
        if path == "/users" and method == "POST":
            self.users.append(_user(body["username"]))
        return {"users": self.users}

    async def fetch(self, path: str) -> tuple[str, bytes]:
        return "image/jpeg", path.encode()

    async def initialise(self, name: str, password: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.made.append((name, password))
        self.is_box, self.users = True, [_user(name)]

    async def restore(self, file: Path, passphrase: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.made.append((file.name, passphrase))
        self.is_box, self.users = True, [_user("maria")]

    async def restart(self) -> None: ...


def _user(name: str) -> dict[str, Any]:
    return {"username": name, "role": "admin", "disabled": False, "must_change_password": False}


class PlayedPrograms(Programs, frozen=True):
    """Does nothing, and remembers it."""

    words: list[tuple[str, ...]] = []

    def has(self, name: str) -> bool:
        return True

    def ask(self, *words: str, given: str | None = None, within_s: float = 0.0) -> Done:
        self.words.append(words)
        return Done(0, "", "")


@pytest.fixture
def daemon() -> PlayedDaemon:
    return PlayedDaemon()


@pytest.fixture
def ground(tmp_path: Path, clock: ManualClock, daemon: PlayedDaemon) -> Ground:
    root = tmp_path / "root"
    root.mkdir()
    return Ground(tmp_path / "box", clock, PlayedPrograms(words=[]), daemon, root, tmp_path / "run")


class TinyGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: str = "new"
    password: str = ""
    parts: tuple["TinyPart", ...] = ()


class TinyPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str
    token: str = ""


class TinyFound(msgspec.Struct, frozen=True):
    word: str


class TinyPicture(msgspec.Struct, frozen=True):
    content_type: str
    body: bytes


@dataclass
class Tiny:
    """What a tiny step works on, and what tests set to make it misbehave."""

    word: str = "old"
    typed: str = ""
    confirm_within_s: float = 0.0
    ok: bool = True
    error: Exception | None = None
    gate: asyncio.Event | None = None
    confirmed: int = 0
    applied: int = 0
    given: list[Any] = field(default_factory=list)


def _tiny_step(step_name: str, state: Tiny, is_optional: bool) -> type:
    class TinyStep(BaseStep[TinyGiven]):
        name, title, optional, given = step_name, step_name.title(), is_optional, TinyGiven

        async def probe(self, ground):
            return TinyFound(state.word)

        async def plan(self, ground, given):
            await asyncio.sleep(0)
            if given.word == "impossible":
                raise ApplianceError("invalid", "that cannot be", "choose another", field="word")
            if given.word == state.word:
                return Plan()
            return Plan((Change(f"from {state.word} to {given.word}", typed=state.typed),))

        async def apply(self, ground, given, say):
            say(f"writing {given.word}")
            if state.gate is not None:
                await state.gate.wait()
            if state.error is not None:
                raise state.error
            state.word, state.applied = given.word, state.applied + 1
            state.given.append(given)
            return Applied(state.confirm_within_s)

        async def verify(self, ground, given):
            return (Check("word", state.ok, f"it is {state.word}", "" if state.ok else "look"),)

        async def confirm(self, ground):
            state.confirmed += 1

        async def ask(self, ground, what, body):
            if what == "picture":
                return TinyPicture("image/png", b"\x89PNG")
            return await super().ask(ground, what, body)

    return TinyStep


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tiny]:
    """Three steps instead of the real ones: administrator, middle, last (optional)."""
    found = {name: Tiny() for name in ("administrator", "middle", "last")}
    module = types.ModuleType("provisioning.steps.tiny")
    module.__spec__ = types.SimpleNamespace()  # find_spec asks for it
    for name, state in found.items():
        setattr(module, name.title(), _tiny_step(name, state, name == "last"))
    monkeypatch.setitem(sys.modules, "provisioning.steps.tiny", module)
    monkeypatch.setattr(steps, "ORDER", {name: ("tiny", name.title()) for name in found})
    return found


class WizardProcess:
    """``appliance-provision`` as a child, and a telephone for it (cookies, CSRF)."""

    def __init__(self, process: asyncio.subprocess.Process, info: dict[str, Any]) -> None:
        self.process = process
        self.url: str = info["url"]
        self.code: str = info["code"]
        self.fingerprint: str = info["fingerprint"]
        jar = aiohttp.CookieJar(unsafe=True)
        self.http = aiohttp.ClientSession(
            cookie_jar=jar, connector=aiohttp.TCPConnector(ssl=False), trust_env=False
        )

    async def get(self, path: str) -> Any:
        async with self.http.get(self.url + path) as answer:
            return await answer.json()

    async def post(self, path: str, body: Any = None) -> Any:
        found = {cookie.key: cookie.value for cookie in self.http.cookie_jar}
        headers = {"X-CSRF-Token": found.get("wizard_csrf", "")}
        async with self.http.post(self.url + path, json=body or {}, headers=headers) as answer:
            return await answer.json()

    async def claim(self) -> Any:
        return await self.post("/api/claim", {"code": self.code})

    async def carry_out(self, step: str, given: dict[str, Any]) -> dict[str, Any]:
        """Plan, apply, and wait for the end."""
        planned = await self.post(f"/api/steps/{step}/plan", {"given": given})
        began = await self.post(f"/api/steps/{step}/apply", {"given": given, "digest": planned["digest"]})
        assert "running" in began, began
        return await self.until_done(step)

    async def until_done(self, step: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while not (found := await self.get(f"/api/steps/{step}"))["running"]["done"]:
                await asyncio.sleep(0.05)
        return found

    async def end(self) -> int:
        await self.http.close()
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 30)

    async def kill(self) -> None:
        await self.http.close()
        self.process.kill()
        await self.process.wait()


@pytest_asyncio.fixture
async def wizard_on(root: Path) -> AsyncIterator[Callable[..., Awaitable[WizardProcess]]]:
    """``await wizard_on(data_dir)``: the program on a free port of loopback."""
    started: list[WizardProcess] = []

    async def start(data_dir: Path, *prefix: str, listen: str = "127.0.0.1:0") -> WizardProcess:
        machine = data_dir.parent / "machine"
        machine.mkdir(exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            *prefix,
            sys.executable,
            "-m",
            "provisioning.cli",
            *("--data", str(data_dir), "--root", str(machine), "--run", str(machine / "run")),
            *("--listen", listen, "--json"),
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        started.append(WizardProcess(process, json.loads(line)))
        return started[-1]

    yield start
    for found in started:
        await found.end()
