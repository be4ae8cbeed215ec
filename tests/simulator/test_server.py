import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.clock import BoxClock
from appliance.simulator import connection as connection_module
from appliance.simulator.server import Server
from appliance.simulator.spec import parse_spec
from appliance.simulator.stamp import read_stamp

Add = Callable[[str], Awaitable[str]]
Watch = Callable[..., Awaitable[list[Any]]]


def _stamp(frame: Any) -> Any:
    plane = frame.planes[0]
    return read_stamp(
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, : frame.width]
    )


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_every_frame_arrives_numbered_and_in_time(add: Add, watch: Watch, codec: str) -> None:
    frames = await watch(await add(f"gate?codec={codec}&size=320x180&fps=30"), 25, decode=True)
    stamps = [_stamp(frame) for frame in frames]
    first = stamps[0].counter
    assert [stamp.counter for stamp in stamps] == list(range(first, first + 25))
    assert 700 < stamps[-1].time_ms - stamps[0].time_ms < 1_500
    times = [frame.pts for frame in frames[1:]]  # libav knows no time for the very first
    assert {b - a for a, b in itertools.pairwise(times)} == {3_000}


@pytest.mark.parametrize("query", ["", "audio=pcmu", "audio=pcma", "audio=aac", "codec=h265", "bframes=2"])
async def test_ffprobe_understands_it(
    add: Add, ffprobe: Callable[..., Awaitable[tuple[int, str]]], query: str
) -> None:
    status, text = await ffprobe(await add(f"gate?size=320x180&fps=30&{query}"))
    assert status == 0
    assert f"{'hevc' if 'h265' in query else 'h264'},320,180" in text
    for kind, name in (("pcmu", "pcm_mulaw"), ("pcma", "pcm_alaw"), ("aac", "aac")):
        assert (name in text) == query.endswith(kind)


@pytest.mark.parametrize("auth", ["digest", "basic", "both"])
async def test_only_the_right_password_opens(add: Add, watch: Watch, auth: str) -> None:
    url = await add(f"gate?size=128x64&fps=60&user=admin&password=s3cret&auth={auth}")
    assert len(await watch(url, 3, credentials="admin:s3cret")) == 3
    for wrong in ("", "admin:other", "other:s3cret"):
        assert await watch(url, 3, credentials=wrong) == ["HTTPUnauthorizedError"]


async def test_ffprobe_does_digest(add: Add, ffprobe: Callable[..., Awaitable[tuple[int, str]]]) -> None:
    url = await add("gate?size=128x64&fps=60&user=admin&password=s3cret")
    assert (await ffprobe(url, "admin:s3cret"))[0] == 0
    assert "401" in (await ffprobe(url, "admin:other"))[1]


async def test_a_nonce_is_of_no_use_elsewhere(add: Add, connect: Callable[[str], Awaitable[Any]]) -> None:
    url = await add("gate?user=admin&password=s3cret")
    first, second = await connect(url), await connect(url)
    _, one, _ = await first.ask("DESCRIBE")
    _, other, _ = await second.ask("DESCRIBE")
    assert one["www-authenticate"] != other["www-authenticate"]
    assert (await first.ask("DESCRIBE", Authorization="Digest username=admin"))[0] == 401
    assert (await first.ask("DESCRIBE", Authorization="Basic YWRtaW46czNjcmV0"))[
        0
    ] == 401  # right, not asked for


async def test_clients_share_one_encoder_and_each_begins_with_a_key_frame(
    server: Server, add: Add, watch: Watch
) -> None:
    url = await add("gate?size=128x64&fps=30&gop=300")
    played = await asyncio.gather(*(watch(url, 20) for _ in range(4)), watch(url, 40))
    for packets in played:
        assert packets[0].is_keyframe
    assert server.status("gate")["counter"] <= 60  # five encoders would have drawn 120


async def test_play_tells_the_first_packet(add: Add, connect: Callable[[str], Awaitable[Any]]) -> None:
    url = await add("gate?size=128x64&audio=pcmu&fps=30")
    for _ in range(2):  # the first client, and one that joins
        client = await connect(url)
        headers = await client.play((0, 1))
        parts = dict(item.split("=", 1) for item in headers["rtp-info"].split(",")[0].split(";"))
        (packet,) = await client.read(1)
        assert int.from_bytes(packet[2:4], "big") == int(parts["seq"])
        assert abs(int.from_bytes(packet[4:8], "big") - int(parts["rtptime"])) <= 1
        reports = [data for channel, data in client.packets if channel in (1, 3)]
        assert len(reports) == 2  # each track's sender report comes before the first packet
        assert reports[0][1] == 200


async def test_methods_and_states(add: Add, connect: Callable[[str], Awaitable[Any]]) -> None:
    client = await connect(await add("gate?size=128x64"))
    status, headers, _ = await client.ask("OPTIONS")
    assert status == 200
    assert "GET_PARAMETER" in headers["public"]
    assert (await client.ask("RECORD"))[0] == 501
    assert (await client.ask("PLAY"))[0] == 454
    assert (await client.ask("DESCRIBE", client.url + "x"))[0] == 404
    assert (await client.ask("SETUP", client.url, Transport="RTP/AVP;unicast;client_port=1-2"))[0] == 461
    assert (await client.ask("SETUP", client.url + "/trackID=1", Transport="RTP/AVP/TCP"))[0] == 404
    await client.play()
    assert (await client.ask("GET_PARAMETER"))[0] == 200
    assert (await client.ask("TEARDOWN"))[0] == 200
    assert await client.reader.read() == b""


async def test_an_idle_session_times_out(connect: Callable[[str], Awaitable[Any]]) -> None:
    server = Server(BoxClock(), session_timeout_s=0.2)
    await server.listen("127.0.0.1", 0)
    client = await connect(await server.add(parse_spec("gate?size=128x64")))
    await client.play()
    with pytest.raises(asyncio.IncompleteReadError):
        await client.read(1_000_000)
    assert server.status("gate")["players"] == 0
    await server.close()


async def test_a_slow_client_skips_to_a_key_frame_and_costs_bounded_memory(
    server: Server, add: Add, connect: Callable[[str], Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MOST_WAITING_BYTES", 60_000)
    client = await connect(await add("gate?size=640x360&fps=60&gop=5&bitrate=50000"))
    await client.play()
    client.writer.transport.pause_reading()
    (link,) = server._connections
    most = 0
    while link.skipped < 20:
        most = max(most, link.transport.get_write_buffer_size())
        await asyncio.sleep(0.01)
    assert most < 60_000 + 400_000  # the bound and one picture
    client.writer.transport.resume_reading()
    last, number = None, None
    while last is None or number == (last + 1) % 65_536:  # until the hole
        last = number
        (packet,) = await client.read(1)
        number = int.from_bytes(packet[2:4], "big")
    assert packet[12] & 0x1F == 7  # then it goes on with the parameter sets of a key frame


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    data=st.one_of(
        st.binary(max_size=400),
        st.tuples(
            st.sampled_from(["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]),
            st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30),
            st.sampled_from(["Transport", "Session", "Authorization", "Range"]),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
        ).map(lambda p: f"{p[0]} rtsp://x/gate{p[1]} RTSP/1.0\r\nCSeq: 1\r\n{p[2]}: {p[3]}\r\n\r\n".encode()),
    )
)
async def test_garbage_does_not_bring_it_down(data: bytes) -> None:
    server = Server(BoxClock())
    port = await server.listen("127.0.0.1", 0)
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    await server.add(parse_spec("gate?size=128x64"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data + b"\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n")
    writer.write_eof()
    try:
        await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        pass
    writer.close()
    (other_reader, other) = await asyncio.open_connection("127.0.0.1", port)
    other.write(b"OPTIONS * RTSP/1.0\r\nCSeq: 78\r\n\r\n")
    assert b"CSeq: 78" in await asyncio.wait_for(other_reader.readuntil(b"\r\n\r\n"), 5)
    other.close()
    await server.close()
    assert not failures
