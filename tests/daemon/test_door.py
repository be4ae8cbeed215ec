"""A crowd of silent strangers: the box keeps its files, and lets go of who says nothing."""

import asyncio
import resource
import socket
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from appliance.base import config
from appliance.base.clock import SECOND_NS
from appliance.daemon import door
from appliance.daemon.serving import serve


def app() -> web.Application:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    made = web.Application()
    made.router.add_get("/", hello)
    return made


@pytest.fixture
async def port(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(door, "LOOK_S", 0.01)
    found = config.load({}, data_dir=tmp_path, overrides={"listen": "127.0.0.1:0"})
    async with AsyncExitStack() as stack:
        served = await serve(stack, app(), found, clock)
        yield int(served.url.rpartition(":")[2])


async def says_hello(port: int) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as answer:
        return await answer.text() == "hello"


async def test_no_crowd_takes_all_the_files(port, monkeypatch):
    accept = door.Listener.accept
    with socket.socket() as here:
        most = here.fileno() + 90  # the crowd's own ends are files of this process too

    def fewer(listener):
        listener.most = most
        return accept(listener)

    monkeypatch.setattr(door.Listener, "accept", fewer)
    with ExitStack() as crowd:
        for _ in range(60):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
        await asyncio.sleep(0.2)
        with pytest.raises((aiohttp.ClientError, OSError)):
            await says_hello(port)
        assert len(list(Path("/proc/self/fd").iterdir())) < most + 40
    await asyncio.sleep(0.2)
    assert await says_hello(port)


def test_a_hub_takes_many_more_than_a_box():
    """Three connections each of some thousand boxes, where the machine allows as many files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        of_box, of_hub = (
            next(iter(door.listeners("127.0.0.1", 0, crowd))) for crowd in (door.OF_BOX, door.OF_HUB)
        )
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert of_box.most <= door.OF_BOX.most
        assert of_hub.most == min(door.OF_HUB.most, int(files * door.OF_HUB.share))
        of_box.close()
        of_hub.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_who_says_nothing_is_shown_out_and_who_asks_may_stay(port, clock):
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        silent, half, asks = (
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(3)
        )
        for each in (silent, half, asks):
            each.setblocking(False)
        half.send(b"GET / HTTP/1.1\r\nHost: x\r\nX")
        for _ in range(2):
            asks.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await asyncio.wait_for(loop.sock_recv(asks, 4096), 2)
            await asyncio.sleep(0.1)
            clock.tick(door.SILENT_NS / SECOND_NS)
        for each in (silent, half):
            with suppress(ConnectionError):
                assert await asyncio.wait_for(loop.sock_recv(each, 10), 2) == b""


def test_the_soft_limit_is_raised_as_far_as_it_goes():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        assert door.raise_files() == min(door.OF_BOX.files, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
