"""Answers that were bent: nothing but an understood answer or ``ApplianceError`` with a hint comes out, soon.

Of our own small answers always, and of the recorded ones where they are.
"""

import asyncio
import random
import time
from collections.abc import Iterable

import aiohttp
import pytest
from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.onvif.details import details
from appliance.onvif.device import Device
from appliance.onvif.discovery import read_matches
from appliance.onvif.encoder import encoder_options, set_encoder
from appliance.onvif.events import PullPoint
from appliance.onvif.imaging import imaging, imaging_ranges
from appliance.onvif.ptz import presets
from appliance.onvif.relays import relays
from appliance.onvif.soap import understood
from appliance.onvif.streams import profiles

OWN = [
    "<tds:Manufacturer>A</tds:Manufacturer><tds:SerialNumber>7J03</tds:SerialNumber>",
    '<trt:Profiles token="p"><tt:VideoEncoderConfiguration token="e"><tt:Encoding>H264</tt:Encoding>'
    "<tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit></tt:RateControl><tt:H264><tt:GovLength>50"
    "</tt:GovLength></tt:H264></tt:VideoEncoderConfiguration></trt:Profiles>",
    "<trt:MediaUri><tt:Uri>rtsp://192.168.1.64:554/live?a=1&amp;b=2</tt:Uri></trt:MediaUri>",
    "<tev:SubscriptionReference><wsa:Address>http://192.168.1.64/pull</wsa:Address></tev:SubscriptionReference>",
    "<tds:SystemDateAndTime><tt:UTCDateTime><tt:Time><tt:Hour>1</tt:Hour><tt:Minute>2</tt:Minute><tt:Second>3"
    "</tt:Second></tt:Time><tt:Date><tt:Year>2026</tt:Year><tt:Month>1</tt:Month><tt:Day>2</tt:Day></tt:Date>"
    "</tt:UTCDateTime></tds:SystemDateAndTime>",
]
_BITS = (
    b"<", b">", b"&", b'"', b"<![CDATA[", b"]]>", b"<!--", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"\x00",
    b"\xff\xfe", b"&b;", b"-1", b"1e999", b"99999999999999999999", b"nan", b" " * 5000, b"<a>" * 200,
    b"rtsp://", b"[::",
    b"xmlns:tt=''", b"&#0;", b"&#xFFFFFFF;", b"\xe2\x80\x9d", b"{{?}}", b"PT9S", b"../../",
    b"%00", b"\r\n",
)  # fmt: skip


def bent(chance: random.Random, data: bytes) -> bytes:
    """One to four changes: cut, doubled, swapped, a byte flipped, something put in."""
    for _ in range(chance.randint(1, 4)):
        at, to = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
        match chance.randrange(7):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:to] + data[at : at + 2000] + data[to:]
            case 3:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 4:  # a whole element goes, or another stands in its place
                data = data.replace(data[at : at + chance.randint(1, 12)] or b"-", chance.choice(_BITS), 1)
            case _:
                data = data[:at] + chance.choice(_BITS) + data[at:]
        data = data or b"\x00"
    return data


def read(data: bytes) -> None:
    """All that reads bytes without a camera."""
    for status in (200, 400):
        try:
            understood(status, data)
        except ApplianceError as error:
            assert error.hint and error.message.isprintable()
    for one in read_matches(data, "10.0.0.9"):
        assert one.urls and one.name.isprintable()


def readings(answers: list[bytes], count: int, seed: int) -> Iterable[bytes]:
    chance = random.Random(seed)
    for _ in range(count):
        yield bent(chance, chance.choice(answers))


def worst_s(answers: list[bytes], count: int, seed: int) -> float:
    worst = 0.0
    for data in readings(answers, count, seed):
        began = time.perf_counter()
        read(data)
        worst = max(worst, time.perf_counter() - began)
    return worst


def test_bent_answers_of_our_own(said) -> None:
    worst_s([said(f"<tds:Response>{body}</tds:Response>") for body in OWN], 300, seed=1)


def test_bent_recordings(recorded) -> None:
    worst_s(list(recorded.values()), 200, seed=2)


@pytest.mark.long
def test_ten_thousand_bent_recordings(recorded) -> None:
    """No hang: even one with all limits touched takes a fraction of a second on a busy machine."""
    assert worst_s(list(recorded.values()), 10_000, seed=3) < 5.0


async def ask_all(camera, session, clock, secret) -> None:
    """Every question of the room, each of which may fail in the one way that is allowed."""
    device = Device(camera.url, secret, session, clock=clock, deadline_s=5.0)

    async def settled(answer) -> object:
        try:
            return await answer
        except ApplianceError as error:
            assert error.hint, error.message
            return None

    async def pulled() -> None:
        async with PullPoint(device) as point:
            await point.pull(wait_s=1)

    for question in (device.capabilities, device.ntp, device.interfaces, pulled):
        await settled(question())
    for question in (imaging, imaging_ranges):
        await settled(question(device, "s"))
    await settled(relays(device))
    for profile in (await settled(profiles(device)) or ())[:2]:
        for question in (presets, encoder_options):
            await settled(question(device, profile))
        await settled(set_encoder(device, profile, codec="h264", gop=10))
    told = await settled(details(camera.url, [secret], session=session, clock=clock))
    for stream in told.streams if told is not None else ():
        assert stream.rtsp_url.startswith(("rtsp://127.0.0.1", "rtsps://127.0.0.1"))


def bending(camera, answers: dict[str, bytes], chance: random.Random) -> None:
    """From now on every answer is bent, each time in another way."""
    for name, answer in answers.items():
        camera.says[name] = lambda _, answer=answer: web.Response(
            body=bent(chance, answer) if chance.random() < 0.7 else answer,
            content_type=chance.choice(["text/xml", "application/soap+xml", "image/jpeg"]),
            status=chance.choice([200, 200, 200, 200, 400, 500]),
        )


def named(recorded: dict[str, bytes]) -> dict[str, bytes]:
    return {file.removesuffix(".xml").rpartition(".")[2]: answer for file, answer in recorded.items()}


async def test_a_camera_whose_answers_are_bent(camera, session, clock, secret, recorded) -> None:
    bending(camera, named(recorded), random.Random(4))
    for _ in range(5):
        await ask_all(camera, session, clock, secret)


@pytest.mark.long
async def test_ten_thousand_bent_answers_over_http(camera, clock, secret, recorded) -> None:
    bending(camera, named(recorded), random.Random(5))
    async with asyncio.timeout(110), aiohttp.ClientSession() as session:
        while len(camera.asked) < 10_000:
            await ask_all(camera, session, clock, secret)


async def test_a_camera_that_breaks_off(session, clock, secret) -> None:
    """The connection ends within the head, within the body, or before either."""
    pieces = [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<E>",
        b"\x16\x03\x01\x00",
        b"\r\n" * 50,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        b"HTTP/1.1 99999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nno gzip!!",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 9\r\n\r\nno broli!",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    ]
    for piece in pieces:

        async def talk(reader, writer, piece=piece) -> None:
            await reader.read(100)
            writer.write(piece)
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ApplianceError) as caught:
            await Device(f"127.0.0.1:{port}", secret, session, clock=clock, deadline_s=2.0).information()
        server.close()
        assert caught.value.hint and caught.value.message.isprintable()
