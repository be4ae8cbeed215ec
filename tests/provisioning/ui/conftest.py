"""A telephone: Chromium at 390x844 that counts its taps and remembers what was typed."""

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WAIT_MS = 60_000


class Phone:
    """``taps``: each press, and each focus of a field. ``typed``: all that fingers wrote, in order."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.taps = 0
        self.typed: list[str] = []
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def tap(self, selector: str) -> None:
        await self.page.locator(selector).first.click(timeout=WAIT_MS)
        self.taps += 1

    async def type(self, selector: str, text: str) -> None:
        """A tap into the field, then ``text``. Nobody is asked for a thing twice."""
        assert text not in self.typed, f"{text!r} had to be typed twice"
        await self.tap(selector)
        await self.page.locator(selector).first.fill(text)
        self.typed.append(text)

    async def scan(self, url: str, code: str) -> None:
        """The picture on the box's screen: no tap on the page."""
        await self.page.goto(f"{url}/#{code}")
        await self.page.wait_for_url("**/steps/*")

    async def is_at(self, step: str) -> None:
        """The page of ``step`` is there and can be used."""
        await self.page.wait_for_url(f"**/steps/{step}", timeout=WAIT_MS)
        await self.page.wait_for_selector("#step:not([hidden])", timeout=WAIT_MS)

    async def go(self, *, findings: bool = False) -> None:
        """Continue, look at the plan, do it; ``findings``: checks fail, and the person goes on."""
        here = self.page.url
        await self.tap("#continue")
        await self.page.wait_for_selector("#sheet[open] #sheet-go:not([hidden])", timeout=WAIT_MS)
        await self.tap("#sheet-go")
        if findings:
            await self.page.wait_for_selector(".check-row[data-ok='0']", timeout=WAIT_MS)
            await self.tap("#sheet-go")
        await self.page.wait_for_url(lambda url: url != here, timeout=WAIT_MS)


@pytest_asyncio.fixture
async def phone() -> AsyncIterator[Phone]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium in PATH: apt-get install chromium")
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = await browser.new_context(
            viewport={"width": 390, "height": 844}, has_touch=True, ignore_https_errors=True,
            timezone_id="Europe/Berlin",
        )  # fmt: skip
        found = Phone(await context.new_page())
        yield found
        await browser.close()
        assert found.complaints == []
