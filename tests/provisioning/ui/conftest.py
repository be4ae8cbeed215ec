"""A telephone: Chromium at 390x844 that counts its taps and remembers what was typed."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
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
        """Continue, look at the plan, do it. ``findings``: checks may fail, and the person goes on."""
        here = self.page.url
        await self.tap("#continue")
        await self.page.wait_for_selector("#sheet[open] #sheet-go:not([hidden])", timeout=WAIT_MS)
        await self.tap("#sheet-go")
        if findings:
            await self.page.wait_for_selector(".check-row", state="attached", timeout=3 * WAIT_MS)
            if await self.page.locator(".check-row[data-ok='0']").count():
                await self.tap("#sheet-go")
        await self.page.wait_for_url(lambda url: url != here, timeout=WAIT_MS)


@pytest_asyncio.fixture
async def phone_with(slow_answers: Any) -> AsyncIterator[Callable[..., Awaitable[Phone]]]:
    """``await phone_with(chromium)``: a telephone whose browser is that program."""
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    found: list[Phone] = []
    async with contextlib.AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(api.async_playwright())

        async def start(chromium: str) -> Phone:
            browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            stack.push_async_callback(browser.close)
            context = await browser.new_context(
                viewport={"width": 390, "height": 844}, has_touch=True, ignore_https_errors=True,
                timezone_id="Europe/Berlin",
            )  # fmt: skip
            await slow_answers(context)
            found.append(Phone(await context.new_page()))
            return found[-1]

        yield start
    assert [complaint for one in found for complaint in one.complaints] == []


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium in PATH: apt-get install chromium")
    return found


@pytest_asyncio.fixture
async def phone(phone_with: Callable[..., Awaitable[Phone]], chromium: str) -> Phone:
    return await phone_with(chromium)


CAMERAS = range(11, 23)
CAMERA_SETTINGS = ("arp_ignore=1", "arp_announce=2", "promote_secondaries=1")


def _plugged(number: int) -> tuple[str, ...]:
    """A port of the switch with one camera's address behind it."""
    return (
        f"link add cam{number} type veth peer name port{number}",
        f"link set port{number} master ports up",
        f"link set cam{number} up",
        f"address add 192.168.50.{number}/24 dev cam{number}",
    )


class Site:
    """Three networks: people's (with the router and the telephone), the box, the cameras'.

    telephone, router 192.168.10.254 ── up0  box  cam0 ── 192.168.50.0/24  cameras
                 └───────────────────── 192.168.51.0/24: one camera, behind the router
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.people, self.box, self.cameras = (f"w{os.getpid()}{name}" for name in ("p", "b", "c"))
        self.url = "https://192.168.10.1:8443"
        self.fleet: dict[str, Any] = {}
        self._fleet_process: asyncio.subprocess.Process | None = None

    def inside(self, name: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", name)

    def ip(self, name: str, words: str) -> None:
        subprocess.run(["ip", "-n", name, *words.split()], check=True, capture_output=True)

    def build(self) -> None:
        for name in (self.people, self.box, self.cameras):
            subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
            self.ip(name, "link set lo up")
        for words in (
            f"link add up0 type veth peer name lan netns {self.people}",
            f"link add cam0 type veth peer name wire netns {self.cameras}",
        ):
            self.ip(self.box, words)
        self.ip(self.people, f"link add far type veth peer name far netns {self.cameras}")
        for name, words in (
            (self.box, "address add 192.168.10.1/24 dev up0"),
            (self.box, "address add 192.168.50.1/24 dev cam0"),
            (self.people, "address add 192.168.10.254/24 dev lan"),
            (self.people, "address add 192.168.51.1/24 dev far"),
            (self.cameras, "address add 192.168.51.254/24 dev far"),
            (self.cameras, "link add ports type bridge"),
            (self.cameras, "link set wire master ports"),
            *((self.cameras, words) for number in CAMERAS for words in _plugged(number)),
            *((self.cameras, f"address add 192.168.51.{n}/24 dev far") for n in range(11, 24)),
            *((self.box, f"link set {one} up") for one in ("up0", "cam0")),
            *((self.people, f"link set {one} up") for one in ("lan", "far")),
            *((self.cameras, f"link set {one} up") for one in ("wire", "far", "ports")),
            (self.box, "route add default via 192.168.10.254"),
            (self.cameras, "route add default via 192.168.51.1"),
        ):
            self.ip(name, words)
        for name, settings in (
            (self.people, ("net.ipv4.ip_forward=1",)),
            # a camera answers for its own address only, though one machine plays all of them
            (self.cameras, tuple(f"net.ipv4.conf.all.{one}" for one in CAMERA_SETTINGS)),
        ):
            command = [*self.inside(name), "sysctl", "-qw", *settings]
            subprocess.run(command, check=True, capture_output=True)

    async def start_fleet(self, root: Path, *arguments: str) -> None:
        self._fleet_process = await asyncio.create_subprocess_exec(
            *self.inside(self.cameras),
            *(sys.executable, "-m", "appliance.simulator", "fleet", "--with-parent", *arguments),
            *("--network", "192.168.50.0/24", "--discovery-on", "192.168.50.11"),
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        assert self._fleet_process.stdout
        line = await asyncio.wait_for(self._fleet_process.stdout.readline(), 60)
        self.fleet = json.loads(line)
        for camera in self.fleet["cameras"]:
            network, _, host = camera["address"].rpartition(".")
            if network == "192.168.50":
                self.ip(self.cameras, f"link set cam{host} address {camera['mac']}")

    async def move(self, camera: str, host: int, to: int) -> str:
        """As a DHCP server does it: the same plug, another address."""
        address = f"192.168.50.{to}"
        self.ip(self.cameras, f"address add {address}/24 dev cam{host}")
        await self.order(camera=camera, do="move", value=address)
        self.ip(self.cameras, f"address del 192.168.50.{host}/24 dev cam{host}")
        return address

    async def order(self, **what: Any) -> dict[str, Any]:
        process = self._fleet_process
        assert process and process.stdin and process.stdout
        process.stdin.write(json.dumps(what).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        assert answer["ok"], answer
        return answer

    def browser(self, chromium: str) -> str:
        """Chromium in the people's network: a program for playwright to start."""
        path = self.folder / "chromium"
        path.write_text(f'#!/bin/sh\nexec ip netns exec {self.people} {chromium} "$@"\n')
        path.chmod(0o755)
        return str(path)

    async def end(self) -> None:
        if self._fleet_process is not None and self._fleet_process.returncode is None:
            self._fleet_process.terminate()
            await asyncio.wait_for(self._fleet_process.wait(), 20)
        for name in (self.people, self.box, self.cameras):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    found = Site(tmp_path)
    try:
        found.build()
    except subprocess.CalledProcessError as error:
        await found.end()
        pytest.skip(f"network namespaces are refused here: {error.stderr.decode()[:200]}")
    yield found
    await found.end()
