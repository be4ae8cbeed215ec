"""Cameras that do not announce themselves: every address of a network is tried."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Network

import aiohttp
import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.onvif.soap import CameraFault, envelope, understood
from appliance.onvif.tree import Xml, xml
from appliance.onvif.where import SERVICE_PATH

HTTP_PORTS = (80, 8080, 8000, 8899, 2020, 88)
RTSP_PORTS = (554, 8554, 10554)
MOST_ADDRESSES = 4096
ANSWER_S = 3.0  # what a camera may take for its first sentence


class Open(msgspec.Struct, frozen=True):
    """``ports``: those tried that took a connection. ``onvif_url``: of the device service, where one
    answered; ``rtsp``: one of the ports speaks RTSP."""

    address: str
    ports: tuple[int, ...]
    onvif_url: str | None
    rtsp: bool


async def scan(
    network: IPv4Network,
    *,
    at_once: int = 256,
    wait_s: float = 0.5,
    http_ports: Sequence[int] = HTTP_PORTS,
    rtsp_ports: Sequence[int] = RTSP_PORTS,
    session: aiohttp.ClientSession | None = None,
) -> list[Open]:
    """Those with an open port, sorted by address. A /24 takes about 5 s. Nothing is asked that needs a
    password. Raises ``invalid`` for a network of more than 4096 addresses."""
    if network.num_addresses > MOST_ADDRESSES:
        raise invalid("this network is too large to try every address", "give a /20 or smaller")
    hosts = [str(host) for host in network.hosts()]
    ports = (*http_ports, *rtsp_ports)
    tries = ((host, port) for port in ports for host in hosts)  # no camera gets all its ports at once
    open_ports: dict[str, list[int]] = {}

    async def knock() -> None:
        for host, port in tries:
            if await _takes(host, port, wait_s):
                open_ports.setdefault(host, []).append(port)

    await asyncio.gather(*(knock() for _ in range(at_once)))
    own = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once))
    try:
        turn = asyncio.Semaphore(32)
        looked = [
            _look(turn, own, host, sorted(found, key=ports.index), http_ports, rtsp_ports)
            for host, found in open_ports.items()
        ]
        order = {host: at for at, host in enumerate(hosts)}
        return sorted(await asyncio.gather(*looked), key=lambda found: order[found.address])
    finally:
        if session is None:
            await own.close()


async def _takes(host: str, port: int, wait_s: float) -> bool:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(wait_s):
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except OSError:  # a TimeoutError is one
        return False
    finally:
        sock.close()
    return True


async def _look(
    turn: asyncio.Semaphore,
    session: aiohttp.ClientSession,
    host: str,
    ports: list[int],
    http_ports: Sequence[int],
    rtsp_ports: Sequence[int],
) -> Open:
    async with turn:
        onvif_url, is_rtsp = None, False
        for port in ports:
            if onvif_url is None and port in http_ports:
                url = f"http://{host}:{port}{SERVICE_PATH}" if port != 80 else f"http://{host}{SERVICE_PATH}"
                onvif_url = url if await _speaks_onvif(session, url) else None
            if not is_rtsp and port in rtsp_ports:
                is_rtsp = await _speaks_rtsp(host, port)
    return Open(host, tuple(ports), onvif_url, is_rtsp)


async def _speaks_onvif(session: aiohttp.ClientSession, url: str) -> bool:
    """Whether it answers a question in SOAP; a refusal in SOAP is an answer too."""
    body = envelope(xml("tds:GetSystemDateAndTime"), Xml(""))
    headers = {"Content-Type": "application/soap+xml; charset=utf-8", "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            data = await response.content.read(64 * 1024)
            answer = understood(200 if response.status < 300 else response.status, data)
    except CameraFault as fault:
        return bool(fault.subcode)
    except (ApplianceError, aiohttp.ClientError, OSError, ValueError):
        return False
    return "DateAndTime" in answer.name


async def _speaks_rtsp(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"OPTIONS rtsp://{host}:{port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
                return (await reader.readexactly(5)) == b"RTSP/"
            finally:
                writer.close()
    except (OSError, asyncio.IncompleteReadError):
        return False
