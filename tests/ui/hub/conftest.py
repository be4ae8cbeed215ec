"""A real hub with boxes that speak to it, one per session, and a browser's page on it per test."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "open_page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


class HubProcess:
    """A ``fake_hub.py`` that runs: ``order(do="event", severity="critical")`` makes something happen."""

    def __init__(self, process: asyncio.subprocess.Process, info: dict[str, Any]) -> None:
        self._process = process
        self.url: str = info["url"]
        self.password: str = info["password"]
        self.boxes: list[str] = info["boxes"]

    async def order(self, **what: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        await self._process.stdin.drain()
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), 30))

    async def stop(self) -> None:
        assert self._process.stdin
        if self._process.returncode is None:
            self._process.stdin.close()
            await asyncio.wait_for(self._process.wait(), 30)


async def _start(*arguments: str) -> HubProcess:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "fake_hub.py"),
        *arguments,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    return HubProcess(process, json.loads(await asyncio.wait_for(process.stdout.readline(), 60)))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hub() -> AsyncIterator[HubProcess]:
    """Six boxes at three sites, with events, alerts, stills, a clip and half of another."""
    found = await _start()
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def empty_hub() -> AsyncIterator[HubProcess]:
    """Nothing has been enrolled yet; and ``newcomer`` has a claim code only."""
    found = await _start("--empty")
    yield found
    await found.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Any, slow_answers: Any) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """``await open_page(url, width, theme)``; what it complains of fails the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def told(message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    async def one(url: str, width: int = 1440, theme: str = "dark") -> Any:
        narrow = width < 500
        context = await browser.new_context(
            base_url=url, viewport={"width": width, "height": 844 if narrow else 900}, color_scheme=theme,
            is_mobile=narrow, has_touch=narrow, timezone_id="Europe/Berlin",
        )  # fmt: skip
        contexts.append(context)
        await slow_answers(context)
        await context.add_cookies([{"name": "zone", "value": "Europe/Berlin", "url": url}])
        found = await context.new_page()
        found.on("pageerror", lambda error: complaints.append(str(error)))
        found.on("console", told)
        found.set_default_timeout(20_000)  # two cores are shared
        return found

    yield one
    for context in contexts:
        await context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: Any, hub: HubProcess) -> Any:
    """On the shared hub, not signed in."""
    return await open_page(hub.url)


@pytest.fixture
def sign_in(hub: HubProcess) -> Callable[..., Awaitable[None]]:
    """``await sign_in(page)`` without the form, for tests that are not about it."""

    async def sign(page: Any, username: str = "admin", *, at: HubProcess = hub, then: str = "/") -> None:
        body = {"username": username, "password": at.password}
        answer = await page.request.post(f"{at.url}/api/v1/auth/login", data=body)
        assert answer.ok, await answer.text()
        await page.goto(f"{at.url}{then}")

    return sign


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """``await until(page, "some JavaScript")``: polled from outside, because the page's own policy (no eval)
    holds for Playwright's ``wait_for_function`` too."""

    async def wait(page: Any, expression: str) -> None:
        async with asyncio.timeout(20):
            while not await page.evaluate(expression):
                await asyncio.sleep(0.03)

    return wait


@pytest.fixture
def refresh() -> Callable[[Any], Awaitable[None]]:
    """What the page does every ten seconds, now."""

    async def now(page: Any) -> None:
        await page.evaluate("import('/static/hub/live.js').then(m => m.refresh())")

    return now
