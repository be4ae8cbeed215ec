"""/ws/events misses nothing; /ws/live hands on what the recorder made; both end when they should."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from appliance.store import sessions, users
from appliance.web.live import feed as feeds
from appliance.web.live.ws_events import FEED


async def settle(condition: Any) -> None:
    """Until it holds; each turn lets the loop and the readers' threads go on."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def a_minute(site: Any) -> None:
    """Until a socket waits for its next look at the sign-in; then a minute passes."""

    def waits() -> bool:
        later_ns = [due_ns - site.clock.monotonic_ns() for due_ns, _, _ in site.clock._sleepers]
        return any(ns > 30_000_000_000 for ns in later_ns)

    await settle(waits)
    site.clock.tick(60)


async def connect(site: Any, path: str, who: str = "viewer", **headers: str) -> Any:
    return await site.client.ws_connect(path, headers={**await site.bearer(who), **headers})


async def numbers(ws: Any, count: int) -> list[int]:
    return [json.loads(await ws.receive_str(timeout=5))["data"]["number"] for _ in range(count)]


async def test_messages_have_the_contract_s_shape(site: Any) -> None:
    ws = await connect(site, "/ws/events")
    position = await site.note("gate", 1)
    message = json.loads(await ws.receive_str(timeout=5))
    assert message == {
        "id": position,
        "type": "camera",
        "timestamp": "2026-01-20T14:30:00.000Z",
        "data": {"number": 1},
    }


async def test_acknowledging_is_seen_by_everybody_who_watches(site: Any) -> None:
    ws = await connect(site, "/ws/events")
    response = await site.ask("POST", "/alerts/alert-gate/ack", "operator")
    assert response.status == 200 and (await response.json())["alert"]["status"] == "acknowledged"
    message = json.loads(await ws.receive_str(timeout=5))
    assert message["type"] == "alert" and message["data"]["acknowledged_by"] == "operator"
    assert (await site.ask("POST", "/alerts/alert-gate/ack", "operator", json={})).status == 409
    resolved = await site.ask("POST", "/alerts/alert-gate/resolve", "operator", json={"resolution": "test"})
    assert (await resolved.json())["alert"]["resolution"] == "test"


async def test_since_misses_nothing_and_repeats_nothing(site: Any) -> None:
    """Rows go in all the time while readers come and go at every point."""
    total, seen, position = 400, [], 0

    async def write() -> None:
        for number in range(total):
            await site.note("gate", number)

    writing = asyncio.create_task(write())
    while len(seen) < total:
        ws = await connect(site, f"/ws/events?since={position}")
        for _ in range(min(37, total - len(seen))):
            message = json.loads(await ws.receive_str(timeout=5))
            assert message["id"] > position
            position = message["id"]
            seen.append(message["data"]["number"])
        await ws.close()
    await writing
    assert seen == list(range(total))


async def test_without_since_it_begins_now(site: Any) -> None:
    await site.note("gate", 1)
    await settle(lambda: site.client.app[FEED].position == 1)
    ws = await connect(site, "/ws/events")
    await site.note("gate", 2)
    assert await numbers(ws, 1) == [2]


async def test_camera_filter_and_limits_of_a_person(site: Any) -> None:
    yard = await connect(site, "/ws/events?camera_id=yard", "viewer")
    limited = await connect(site, "/ws/events", "limited")
    for number, camera_id in enumerate(("gate", "yard", None, "gate")):
        await site.note(camera_id, number)
    assert await numbers(yard, 2) == [1, 2]
    assert await numbers(limited, 3) == [0, 2, 3]
    resumed = await connect(site, "/ws/events?since=0", "limited")
    assert await numbers(resumed, 3) == [0, 2, 3]


async def test_a_slow_reader_is_closed_with_4008_and_resumes(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MOST_WAITING", 5)
    ws = await connect(site, "/ws/events")
    reader = site.client.app[FEED]._readers[0]
    reader.next = asyncio.Event().wait  # a socket that takes nothing more
    first = await ws_drain(site, ws, 20)
    assert ws.close_code == 4008
    again = await connect(site, f"/ws/events?since={first}")
    assert len(await numbers(again, 20 - first)) == 20 - first


async def ws_drain(site: Any, ws: Any, rows: int) -> int:
    """Write ``rows``, read until the close; the id of the last message that came."""
    for number in range(rows):
        await site.note("gate", number)
    last = 0
    while (message := await ws.receive(timeout=10)).type == WSMsgType.TEXT:
        last = json.loads(message.data)["id"]
    return last


async def test_a_peer_that_stops_reading_is_closed_with_4008(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the wire: the kernel's buffers fill, then the queue, then the close."""
    monkeypatch.setattr(feeds, "MOST_WAITING_BYTES", 500_000)
    ws = await connect(site, "/ws/events")
    ws._response.connection.transport.pause_reading()
    reader = site.client.app[FEED]._readers[0]
    text = json.dumps({"id": 1, "data": {"number": "x" * 100_000}})
    for _ in range(400):
        reader.offer("gate", text)
        await asyncio.sleep(0)
        if reader.overflow.is_set():
            break
    assert reader.overflow.is_set()
    ws._response.connection.transport.resume_reading()
    while (message := await ws.receive(timeout=10)).type == WSMsgType.TEXT:
        pass
    assert (message.type, ws.close_code) == (WSMsgType.CLOSE, 4008)


@pytest.mark.parametrize("path", ["/ws/events", "/ws/live/gate"])
async def test_other_origins_strangers_and_plain_http_are_refused(
    site: Any, path: str, make_init: Any
) -> None:
    site.live.fan("gate", "main").started(make_init("gate"))
    own = f"http://{site.client.host}:{site.client.port}"
    for origin in ("http://evil.example", "null", own + "1", "https://127.0.0.1"):
        with pytest.raises(WSServerHandshakeError) as caught:
            await connect(site, path, Origin=origin)
        assert caught.value.status == 403
    with pytest.raises(WSServerHandshakeError) as caught:
        await site.client.ws_connect(path + "?token=x&access_token=y")
    assert caught.value.status == 401
    await (await connect(site, path, Origin=own)).close()
    plain = await site.ask("GET", path)
    assert plain.status == 426 and (await plain.json())["error"]["hint"]


async def test_the_cookie_opens_sockets_too(site: Any) -> None:
    await site.login("viewer")
    ws = await site.client.ws_connect("/ws/events")
    await site.note("gate", 7)
    assert await numbers(ws, 1) == [7]


async def test_bad_since_is_400(site: Any) -> None:
    for since in ("-1", "x", "1e3", "9" * 30):
        with pytest.raises(WSServerHandshakeError) as caught:
            await connect(site, f"/ws/events?since={since}")
        assert caught.value.status == 400


async def test_revocation_closes_open_sockets_within_a_minute(site: Any) -> None:
    ws = await connect(site, "/ws/events")
    await site.db.write(lambda c: sessions.revoke_user(c, "u-viewer"))
    await a_minute(site)
    message = await ws.receive(timeout=5)
    assert (message.type, ws.close_code) == (WSMsgType.CLOSE, 4001)


async def test_a_bearer_that_ran_out_does_not_end_a_socket_but_a_lost_camera_does(
    site: Any, make_init: Any
) -> None:
    import msgspec

    fan = site.live.fan("gate", "main")
    fan.started(make_init("gate"))
    ws = await connect(site, "/ws/live/gate")
    assert (await ws.receive(timeout=5)).type == WSMsgType.TEXT
    for _ in range(20):
        await a_minute(site)
    assert not ws.closed
    user = await site.db.read(lambda c: users.get(c, "u-viewer"))
    only_yard = msgspec.structs.replace(user, camera_ids=("yard",))
    await site.db.write(lambda c: users.update(c, only_yard))
    await a_minute(site)
    while (message := await ws.receive(timeout=5)).type == WSMsgType.BINARY:
        pass
    assert (message.type, ws.close_code) == (WSMsgType.CLOSE, 4001)


async def test_live_is_init_then_fragments_as_they_were_made(
    site: Any, make_init: Any, make_fragment: Any
) -> None:
    fan = site.live.fan("gate", "main")
    fan.started(make_init("gate"))
    early = [make_fragment(0, key=True), make_fragment(1)]
    for made in early:
        fan.put(made)
    ws = await connect(site, "/ws/live/gate?stream=sub")
    text = json.loads(await ws.receive_str(timeout=5))
    assert text == {
        "type": "init",
        "mime": 'video/mp4; codecs="avc1.640028"',
        "stream": "main",
        "start_time": "2001-09-09T01:46:40.000Z",
    }
    assert await ws.receive_bytes(timeout=5) == b"init run-1"
    late = make_fragment(2, size=300_000)
    fan.put(late)
    for made in (*early, late):
        assert await ws.receive_bytes(timeout=5) == made.head + made.body
    fan.started(make_init("gate", "run-2"))
    assert json.loads(await ws.receive_str(timeout=5))["type"] == "init"
    assert await ws.receive_bytes(timeout=5) == b"init run-2"
    site.live.remove("gate", "main")
    message = await ws.receive(timeout=5)
    assert (message.type, ws.close_code) == (WSMsgType.CLOSE, 4004)


async def test_a_live_viewer_who_lags_skips_to_a_key_frame_and_holds_nobody(
    site: Any, make_init: Any, make_fragment: Any
) -> None:
    fan = site.live.fan("gate", "main")
    fan.started(make_init("gate"))
    slow, quick = await connect(site, "/ws/live/gate"), await connect(site, "/ws/live/gate")
    slow._response.connection.transport.pause_reading()
    for ws in (quick,):
        await ws.receive_str(timeout=5)
        await ws.receive_bytes(timeout=5)
    count = 400
    for number in range(count):
        fan.put(make_fragment(number, key=number % 20 == 0, size=100_000))
        assert int.from_bytes((await quick.receive_bytes(timeout=5))[4:12], "big") == number
    assert sum(viewer.skipped for viewer in fan.viewers) > 0
    slow._response.connection.transport.resume_reading()
    fan.put(make_fragment(count, key=True))
    await slow.receive_str(timeout=5)
    await slow.receive_bytes(timeout=5)
    before, jumps = -1, 0
    while before < count:
        number = int.from_bytes((await slow.receive_bytes(timeout=5))[4:12], "big")
        if number != before + 1:
            assert number % 20 == 0  # never a frame without the ones it refers to
            jumps += 1
        before = number
    assert jumps >= 1


async def test_what_the_socket_has_not_sent_yet_makes_it_skip(
    site: Any, make_init: Any, make_fragment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.web.live import ws_live

    fan = site.live.fan("gate", "main")
    fan.started(make_init("gate"))
    ws = await connect(site, "/ws/live/gate")
    await ws.receive_str(timeout=5)
    await ws.receive_bytes(timeout=5)
    monkeypatch.setattr(ws_live, "_unsent", lambda transport: ws_live.BEHIND_BYTES + 1)
    for number in range(3):
        fan.put(make_fragment(number, key=number == 0))
    await settle(lambda: fan.viewers[0].skipped == 2)
    monkeypatch.undo()
    for number in range(3, 6):
        fan.put(make_fragment(number, key=number == 5))
    assert int.from_bytes((await ws.receive_bytes(timeout=5))[4:12], "big") == 5


async def test_a_socket_whose_work_fails_is_closed_with_a_code(
    site: Any, make_init: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fan = site.live.fan("gate", "main")
    fan.started(make_init("gate"))
    ws = await connect(site, "/ws/live/gate")
    await ws.receive_str(timeout=5)
    await ws.receive_bytes(timeout=5)

    async def broken() -> None:
        raise RuntimeError("a bug")

    fan.viewers[0].next = broken
    fan.viewers[0].offer((10**6, make_init("gate", "run-2")))
    while (message := await ws.receive(timeout=5)).type != WSMsgType.CLOSE:
        pass
    assert (message.data, ws.close_code) == (1011, 1011) and "a socket failed" in caplog.text


async def test_an_unknown_camera_is_404(site: Any) -> None:
    for name in ("nowhere", "..%2fgate"):
        with pytest.raises(WSServerHandshakeError) as caught:
            await connect(site, f"/ws/live/{name}")
        assert caught.value.status == 404


async def test_stopping_closes_sockets_at_once(site: Any) -> None:
    ws = await connect(site, "/ws/events")
    closing = asyncio.create_task(site.client.server.close())
    message = await ws.receive(timeout=5)
    assert (message.type, ws.close_code) == (WSMsgType.CLOSE, 1001)
    await ws.close()
    async with asyncio.timeout(5):
        await closing
