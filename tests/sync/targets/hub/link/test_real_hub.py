"""Both ends of the protocol, each as it is: the box's target and the hub's application, over a socket."""

import asyncio
import base64
import json
import random
import time

import msgspec
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.base.clock import SECOND_NS, ManualClock
from appliance.base.ids import uuid7
from appliance.hub.app import make_app
from appliance.hub.box_api.enrol import code_hash
from appliance.hub.running import Places, open_hub
from appliance.hub.store import codes
from appliance.hub.store.codes import Code
from appliance.sync.protocol.enrolment import Enrolment


async def enrol(hub, url: str, device_id: str) -> str:
    """The token of a new box."""
    text, now_ns = "ABCDEFGHJKMNPQRS", hub.clock.now_ns()
    made = Code(uuid7(now_ns), "", None, "", "test", now_ns, now_ns + 3600 * SECOND_NS)
    await hub.store.write(lambda: codes.add(made, code_hash(text)))
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    tunnel = base64.b64encode(X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    asked = Enrolment(text, device_id, "Gate house", "1.0", public, tunnel, "")
    proof = base64.b64encode(key.sign(asked.signed_text())).decode()
    body = msgspec.json.encode(msgspec.structs.replace(asked, proof=proof))
    async with ClientSession() as session, session.post(f"{url}/api/v1/box/enrol", data=body) as answer:
        return (await answer.json())["token"]


@pytest.fixture
async def line(tmp_path, clock: ManualClock, bench):
    """(hub's address, target, journal), enrolled."""
    async with open_hub(Places(tmp_path / "hub"), clock) as hub:
        server = TestServer(make_app(hub))
        await server.start_server(auto_decompress=False)
        url = f"http://127.0.0.1:{server.port}"
        journal = bench.Memory()
        target = bench.target(url, journal, secret=await enrol(hub, url, "box-1"), clock=clock)
        yield url, target, journal
        await target.close()
        await server.close()


def event(number: int) -> bytes:
    at = "2026-01-20T14:30:00.000Z"
    said = {"id": f"e-{number}", "type": "intrusion", "severity": "critical", "camera_id": "gate"}
    return json.dumps(said | {"start_time": at, "end_time": None}).encode()


async def test_rows_files_heartbeat_and_counts(line, row, file_row, held, no_pace, bench) -> None:
    _, target, journal = line
    assert (await target.probe()).ok
    rows = [row(f"e-{number}", body=event(number), lane=number % 3) for number in range(300)]
    bad = row("bad", body=b'"no object"')
    verdict = await target.put([*rows[:150], bad, *rows[150:]])
    assert verdict.acknowledged == tuple(each.id for each in rows)
    assert [id_ for id_, _ in verdict.rejected] == ["bad"]
    data = random.Random(3).randbytes(300_000)
    assert (await target.put_file(file_row(), held(data), no_pace)).acknowledged == ("clip-1",)
    assert (await target.put_file(file_row(), held(data), no_pace)).acknowledged == ("clip-1",)
    other = await target.put_file(file_row(), held(data[1:]), no_pace)
    assert other.acknowledged == ("clip-1",)  # complete there, however it was cut
    assert (await target.put_file(file_row("e-7"), held(data), no_pace)).kind == "poisoned"
    day = "2026-01-20"
    for each in rows:
        journal.put(each.id, "event", day)
    journal.put("clip-1", "clip", day)
    answer = await target.heart.beat()
    assert answer.rows == await journal.acknowledged() == 301
    assert await target.reconciler.once() == 0
    journal.put("never-arrived", "event", day)
    assert await target.reconciler.once() == 1
    assert journal.owed == ["never-arrived"]


async def test_an_upload_goes_on_through_cuts(line, file_row, held, no_pace, bench, proxied) -> None:
    url, target, _ = line
    data = random.Random(4).randbytes(400_000)
    async with proxied(url, [20_000, 90_000, 3_000, 120_000]) as proxy:
        cut = bench.target(proxy.url, secret=target._given.secret)
        for _ in range(5):
            verdict = await cut.put_file(file_row(), held(data), no_pace)
            if verdict.kind == "delivered":
                break
        assert verdict.acknowledged == ("clip-1",)
        assert proxy.done == 4
        await cut.close()


@pytest.mark.long
async def test_how_fast_rows_go(line, row) -> None:
    """Not a bound: a figure, printed."""
    _, target, _ = line
    began_s = time.monotonic()
    for batch in range(20):
        rows = [row(f"e-{n}", body=event(n)) for n in range(batch * 1_000, batch * 1_000 + 1_000)]
        assert len((await target.put(rows)).acknowledged) == 1_000
    print(f"{20_000 / (time.monotonic() - began_s):.0f} rows/s, hub in the same process")
    await asyncio.sleep(0)
