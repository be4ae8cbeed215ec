"""What bodies may cost: so many bytes at a time, and so long a time."""

import asyncio
import contextlib
import gzip
import json

import pytest

from appliance.hub.box_api import body, holding
from appliance.hub.box_api.holding import BUDGET, Budget
from appliance.sync.protocol import PREFIX

pytestmark = pytest.mark.parametrize("places", ["embedded"], indirect=True)  # the store has no say in it


@contextlib.asynccontextmanager
async def open_body(served, path: str, sent: bytes, length: int, method: str = "POST", **headers: str):
    """A request whose body is announced as ``length`` and comes as far as ``sent``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.client.port)
    said = {"Host": "hub", "Content-Length": str(length), **headers}
    lines = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in said.items())
    writer.write(f"{method} {PREFIX}{path} HTTP/1.1\r\n{lines}\r\n".encode() + sent)
    await writer.drain()
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def status_of(reader: asyncio.StreamReader, patience_s: float = 10) -> int:
    return int((await asyncio.wait_for(reader.readline(), patience_s)).split()[1])


async def until(true) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


async def test_packed_bodies_that_are_held_open_cost_a_box_no_more_than_its_share(served):
    box = await served.box("box-a")
    budget = served.client.app[BUDGET]
    packed = gzip.compress(b'{"device_id":"box-a","batch":[' + b" " * 7_900_000)
    said = {"Authorization": f"Bearer {box.token}", "Content_Encoding": "gzip"}
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for _ in range(6):  # of about 7.9 MB each, unpacked
            opened = open_body(served, "/batch", packed[:-9], len(packed) + 100, **said)
            readers.append((await stack.enter_async_context(opened))[0])
        answers = [asyncio.create_task(status_of(reader, 60)) for reader in readers]
        await until(lambda: sum(task.done() for task in answers) == 3 and budget.here > 3 * 7_000_000)
        assert [task.result() for task in answers if task.done()] == [429] * 3
        assert budget.here <= holding.MOST_OF_BOX_BYTES
        other = await served.box("box-b")
        assert (await other.batch(other.row("e1")))[0] == 200
        for task in answers:
            task.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
    await until(lambda: budget.here == 0)
    assert (await box.batch(box.row("e1")))[0] == 200


async def test_a_third_large_chunk_is_refused_before_it_is_sent(served):
    box = await served.box("box-a")
    chunk = 8 << 20
    await box.begin("c1", b"x", size_bytes=10 * chunk)
    said = {"Authorization": f"Bearer {box.token}", "X_Chunk_SHA256": "0" * 64}
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for _ in range(4):
            opened = open_body(served, "/uploads/c1/chunks/0", b"x" * 10, chunk, "PUT", **said)
            readers.append((await stack.enter_async_context(opened))[0])
        answers = [asyncio.create_task(status_of(reader, 60)) for reader in readers]
        done, waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        assert [task.result() for task in done] == [429] * len(done) and done
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_all_boxes_together_have_a_share_as_well(served):
    boxes = [await served.box(f"box-{number}") for number in range(3)]
    budget = Budget(of_box=1_000_000, of_all=250_000)
    for made, box in zip([budget.request(b.id) for b in boxes], boxes, strict=True):
        held = made.__enter__()
        held.announce(900_000)  # what is said is not here
        if box is boxes[2]:
            with pytest.raises(Exception, match="this hub has too much") as caught:
                held.add(100_000)
            assert caught.value.kind == "unavailable"
        else:
            held.add(100_000)


async def test_a_box_that_opens_request_after_request_is_told_to_wait(served):
    box = await served.box("box-a")
    asked = [asyncio.create_task(box.ask("GET", "/commands?wait=20")) for _ in range(40)]
    done, waiting = await asyncio.wait(asked, timeout=2)
    assert [task.result()[0] for task in done] == [429] * 8
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("path", ["/enrol", "/batch"])
async def test_a_body_of_a_byte_now_and_then_is_ended(served, monkeypatch, path):
    box = await served.box("box-a")
    monkeypatch.setattr(body, "WINDOW_S", 0.4)
    said = {"Authorization": f"Bearer {box.token}"}
    async with open_body(served, path, b"{", 15_000, **said) as (reader, writer):

        async def drip():
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await status_of(reader) == 408
        dripping.cancel()


async def test_a_thin_link_may_take_its_time(served, monkeypatch):
    box = await served.box("box-a")
    monkeypatch.setattr(body, "WINDOW_S", 0.2)
    batch = json.dumps({"device_id": box.id, "batch": [box.row("e1")]}).encode()
    batch += b" " * 2_000
    said = {"Authorization": f"Bearer {box.token}"}
    async with open_body(served, "/batch", b"", len(batch), **said) as (reader, writer):
        for start in range(0, len(batch), 200):  # some 4 kB/s, and longer than two windows
            writer.write(batch[start : start + 200])
            await asyncio.sleep(0.05)
        assert await status_of(reader) == 200
