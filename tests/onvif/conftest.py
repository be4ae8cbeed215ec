"""A small camera that says what it is told to say, and keeps what it was asked."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from appliance.base.clock import ManualClock
from appliance.base.model import Credentials
from appliance.onvif.device import Device

NAMES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "s": "http://www.w3.org/2003/05/soap-envelope",
        "tds": "http://www.onvif.org/ver10/device/wsdl",
        "trt": "http://www.onvif.org/ver10/media/wsdl",
        "tr2": "http://www.onvif.org/ver20/media/wsdl",
        "tt": "http://www.onvif.org/ver10/schema",
        "tev": "http://www.onvif.org/ver10/events/wsdl",
        "timg": "http://www.onvif.org/ver20/imaging/wsdl",
        "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
        "wsnt": "http://docs.oasis-open.org/wsn/b-2",
        "wsa": "http://www.w3.org/2005/08/addressing",
        "ter": "http://www.onvif.org/ver10/error",
    }.items()
)
SERVICES = "".join(
    f"<tds:Service><tds:Namespace>http://www.onvif.org/{name}/wsdl</tds:Namespace>"
    f"<tds:XAddr>http://192.168.1.64/onvif/{name}</tds:XAddr></tds:Service>"
    for name in ("ver10/device", "ver10/media", "ver10/events", "ver20/imaging", "ver20/ptz")
)
TIME = (
    "<tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
    "<tt:DaylightSavings>true</tt:DaylightSavings><tt:TimeZone><tt:TZ>CET-1CEST</tt:TZ></tt:TimeZone>"
    "<tt:UTCDateTime><tt:Time><tt:Hour>{:%H}</tt:Hour><tt:Minute>{:%M}</tt:Minute>"
    "<tt:Second>{:%S}</tt:Second></tt:Time><tt:Date><tt:Year>{:%Y}</tt:Year><tt:Month>{:%m}</tt:Month>"
    "<tt:Day>{:%d}</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime>"
)
# of the question without its prefix -> what stands in the answer
Said = str | bytes | web.Response | Callable[[str], Any]
SECRET = Credentials("admin", "open & <shut>")


def envelope(body: str) -> bytes:
    return f'<?xml version="1.0"?><s:Envelope {NAMES}><s:Body>{body}</s:Body></s:Envelope>'.encode()


def fault(subcode: str, reason: str = "no") -> bytes:
    return envelope(
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{subcode}</s:Value>"
        f"</s:Subcode></s:Code><s:Reason><s:Text>{reason}</s:Text></s:Reason></s:Fault>"
    )


class Camera:
    """``says``: question -> answer. ``asked``: (question, whole text, headers), in order."""

    def __init__(self) -> None:
        self.says: dict[str, Said] = {"GetServices": SERVICES, "GetSystemDateAndTime": self._time}
        self.asked: list[tuple[str, str, Any]] = []
        self.paths: list[str] = []
        self.ahead_s = 0
        self.clock = ManualClock()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/onvif/device_service"

    @property
    def questions(self) -> list[str]:
        return [name for name, _, _ in self.asked]

    def text_of(self, question: str) -> str:
        """What was asked last under this name."""
        return next(text for name, text, _ in reversed(self.asked) if name == question)

    def token_is_right(self, text: str, credentials: Credentials = SECRET) -> bool:
        """As the camera checks it; knows nothing of the code that made it."""
        found = {
            name: re.search(rf"<\w+:{name}[^>]*>([^<]*)</", text) for name in ("Password", "Nonce", "Created")
        }
        if not all(found.values()):
            return False
        nonce, created = base64.b64decode(found["Nonce"][1]), found["Created"][1].encode()
        proof = hashlib.sha1(nonce + created + credentials.password.encode()).digest()
        return base64.b64decode(found["Password"][1]) == proof

    def created(self, text: str) -> str:
        return re.search(r"<wsu:Created>([^<]*)</", text)[1]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = (await request.read()).decode()
        name = re.search(r"Body><\w+:(\w+)", text)
        question = name[1] if name else request.path
        self.asked.append((question, text, request.headers))
        self.paths.append(request.path)
        said = self.says.get(question)
        if callable(said):
            said = said(text)
            if isinstance(said, Awaitable):
                said = await said
        if said is None:
            said = fault("ActionNotSupported")
        if isinstance(said, web.StreamResponse):
            return said
        body = (
            said
            if isinstance(said, bytes)
            else envelope(f"<tds:{question}Response>{said}</tds:{question}Response>")
        )
        is_fault = b":Fault>" in body
        return web.Response(body=body, status=400 if is_fault else 200, content_type="application/soap+xml")

    def _time(self, _: str) -> str:
        from datetime import UTC, datetime, timedelta

        now = datetime.fromtimestamp(self.clock.now_ns() / 1e9, UTC) + timedelta(seconds=self.ahead_s)
        return TIME.format(*[now] * 6)


@pytest.fixture
def secret() -> Credentials:
    return SECRET


@pytest.fixture(scope="session")
def said() -> Callable[[str], bytes]:
    """(what stands in the Body) -> a whole answer."""
    return envelope


@pytest.fixture(scope="session")
def refusal() -> Callable[..., bytes]:
    return fault


@pytest.fixture
async def camera(clock: ManualClock) -> AsyncIterator[Camera]:
    made = Camera()
    made.clock = clock
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
def device(camera: Camera, session: aiohttp.ClientSession, clock: ManualClock) -> Device:
    return Device(camera.url, SECRET, session, clock=clock, deadline_s=2.0)


def _rendered(text: str) -> str:
    """The recordings are templates of the program that played them back: as it would have sent them."""
    text = re.sub(r"\{\{\?.*?\}\}", "", text, flags=re.DOTALL)
    text = text.replace("{{=it.hostname}}:{{=it.port}}", "192.168.1.9:80").replace(
        "{{=it.pullPointUrl}}", "/pull"
    )
    text = re.sub(r"\{\{=new Date.*?\}\}", "2026-01-20T14:30:00.000Z", text)
    return text.replace("SERVICE_URI", "http://192.168.1.9/onvif/device_service")


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> dict[str, bytes]:
    """File name -> answer of a real camera, as it went over the wire."""
    files: Iterable[Path] = sorted((shared_data / "onvif" / "soap-answers").iterdir())
    return {file.name: _rendered(file.read_text("utf-8")).encode() for file in files}
