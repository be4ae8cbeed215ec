"""A real Chromium and a box for it, one of each per session; every test gets a page of its own."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

HERE = Path(__file__).parent
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One loop for the room: a browser lives in the loop that started it.
    for item in items:
        if HERE in item.path.parents and "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


class BoxProcess:
    """A ``fake_box.py`` that runs: ``order(do="event", camera="yard")`` makes something happen."""

    def __init__(self, process: asyncio.subprocess.Process, info: dict[str, Any]) -> None:
        self._process = process
        self.url: str = info["url"]
        self.password: str = info["password"]
        self.cameras: list[str] = info["cameras"]

    async def order(self, **what: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        await self._process.stdin.drain()
        return json.loads(await self._process.stdout.readline())

    async def stop(self) -> None:
        assert self._process.stdin
        if self._process.returncode is not None:
            return
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 10)


async def _start(*arguments: str) -> BoxProcess:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "fake_box.py"),
        *arguments,
        cwd=HERE.parent.parent,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    return BoxProcess(process, json.loads(await asyncio.wait_for(process.stdout.readline(), 30)))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def box() -> AsyncIterator[BoxProcess]:
    """Four cameras that work, some events. Tests that change cameras' states change them back."""
    found = await _start("--cameras", "4")
    yield found
    await found.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def connected() -> AsyncIterator[BoxProcess]:
    """A box with targets that wait, are parked and are off. Tests that share it change nothing."""
    found = await _start("--cameras", "1", "--events", "0", "--targets")
    yield found
    await found.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def box_with() -> AsyncIterator[Callable[..., Awaitable[BoxProcess]]]:
    """``await box_with("--cameras", "0")``: another box, for this test alone."""
    started: list[BoxProcess] = []

    async def start(*arguments: str) -> BoxProcess:
        started.append(await _start(*arguments))
        return started[-1]

    yield start
    for found in started:
        await found.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium in PATH: apt-get install chromium")
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with api.async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        await found.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Any, box: BoxProcess, slow_answers: Any) -> AsyncIterator[Any]:
    """A page on the shared box, not signed in; its complaints fail the test."""
    context = await browser.new_context(base_url=box.url, viewport={"width": 1440, "height": 900})
    await slow_answers(context)
    found = await context.new_page()
    complaints: list[str] = []
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.on(
        "console",
        lambda m: complaints.append(m.text) if m.type == "error" and "Security Policy" in m.text else None,
    )
    found.set_default_timeout(20_000)  # two cores are shared
    yield found
    await context.close()
    assert complaints == []


@pytest.fixture
def sign_in(box: BoxProcess) -> Callable[..., Awaitable[None]]:
    """``await sign_in(page)`` without the form, for tests that are not about it."""

    async def sign(page: Any, username: str = "admin", *, at: BoxProcess = box, then: str = "/") -> None:
        answer = await page.request.post(
            f"{at.url}/api/v1/auth/login", data={"username": username, "password": at.password}
        )
        assert answer.ok, await answer.text()
        await page.goto(f"{at.url}{then}")

    return sign


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """``await until(page, "some JavaScript")``: polled from outside, because the page's own policy
    (no eval) holds for Playwright's ``wait_for_function`` too."""

    async def wait(page: Any, expression: str, timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not await page.evaluate(expression):
                await asyncio.sleep(0.03)

    return wait
