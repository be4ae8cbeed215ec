"""Every address of a network: who is there, and what speaks ONVIF or RTSP."""

import asyncio
import socket
from ipaddress import IPv4Network

import pytest
from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.onvif.scan import Open, scan


@pytest.fixture
async def listening():
    """``listening(host, answer)``: a server that says ``answer`` to whatever it hears; its port."""
    servers = []

    async def start(host: str, answer: bytes) -> int:
        async def talk(reader, writer):
            try:
                if await reader.read(1000):
                    writer.write(answer)
                    await writer.drain()
            except OSError:
                pass
            finally:
                writer.close()

        servers.append(await asyncio.start_server(talk, host, 0))
        return servers[-1].sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()


async def test_cameras_and_others_are_told_apart(camera, listening) -> None:
    rtsp = await listening("127.0.0.1", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
    page = await listening("127.0.0.2", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html")
    other = await listening("127.0.0.3", b"SSH-2.0\r\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    found = await scan(
        IPv4Network("127.0.0.0/29"),
        http_ports=(camera.port, page),
        rtsp_ports=(rtsp, other, closed),
        wait_s=0.3,
    )
    assert found == [
        Open("127.0.0.1", (camera.port, rtsp), camera.url, True),
        Open("127.0.0.2", (page,), None, False),
        Open("127.0.0.3", (other,), None, False),
    ]
    assert "Security" not in camera.asked[0][1]  # nothing is tried that needs a password


async def test_a_camera_that_refuses_is_a_camera(camera, refusal) -> None:
    camera.says["GetSystemDateAndTime"] = refusal("NotAuthorized")
    (found,) = await scan(IPv4Network("127.0.0.1/32"), http_ports=(camera.port,), rtsp_ports=())
    assert found.onvif_url == camera.url
    camera.says["GetSystemDateAndTime"] = lambda _: web.Response(status=401, text="login first")
    (found,) = await scan(IPv4Network("127.0.0.1/32"), http_ports=(camera.port,), rtsp_ports=())
    assert found.onvif_url is None


async def test_a_network_too_large_is_refused() -> None:
    with pytest.raises(ApplianceError) as caught:
        await scan(IPv4Network("10.0.0.0/8"))
    assert caught.value.kind == "invalid" and caught.value.hint


async def test_of_many_doors_only_so_many_are_tried_at_once(monkeypatch) -> None:
    now, most = 0, 0

    async def takes(host: str, port: int, wait_s: float) -> bool:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return False

    monkeypatch.setattr("appliance.onvif.scan._takes", takes)
    assert await scan(IPv4Network("127.9.0.0/24"), at_once=16) == []
    assert most == 16
