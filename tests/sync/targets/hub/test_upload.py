"""Files: in chunks from where the hub is, through everything that a hub can say."""

import asyncio
import hashlib
import random

import pytest

from appliance.base.errors import ApplianceError
from appliance.sync.targets.hub.upload import LARGEST_CHUNK_BYTES, SMALLEST_CHUNK_BYTES, ChunkSize

KB = 1024
PARTIAL = '{"id":"x","state":"partial","received_bytes":%d,"size_bytes":%d}'


@pytest.fixture
def data() -> bytes:
    return random.Random(7).randbytes(200 * KB)


async def test_a_file_arrives_and_the_row_is_acknowledged_by_its_last_chunk(
    hub, target, file_row, held, no_pace, data
) -> None:
    verdict = await target.put_file(file_row(), held(data), no_pace)
    assert (verdict.kind, verdict.acknowledged) == ("delivered", ("clip-1",))
    upload = hub.uploads["clip-1"]
    assert bytes(upload.data) == data
    manifest = upload.manifest
    assert (manifest.kind, manifest.mime, manifest.size_bytes) == ("clip", "video/mp4", len(data))
    assert manifest.file.camera_id == "gate"
    assert manifest.file.stream == "main"  # the row asked for sub; the material says what it is
    assert manifest.created_at == "2026-01-20T14:30:00.000Z"
    # Said again (the answer got lost, the box was off): known, complete, nothing is sent.
    seen = len(hub.seen)
    assert (await target.put_file(file_row(), held(data), no_pace)).acknowledged == ("clip-1",)
    assert hub.seen[seen:] == ["announce"]


async def test_each_piece_is_asked_for_before_it_goes(hub, target, file_row, held, data) -> None:
    asked: list[int] = []

    class Pace:
        async def ready(self, length_bytes: int) -> None:
            asked.append(length_bytes)

    await target.put_file(file_row(), held(data), Pace())
    requests = [name for name in hub.seen if name in ("announce", "chunk")]
    assert len(data) + 300 * len(requests) < sum(asked) < len(data) + 1_000 * len(requests)  # heads count
    assert max(asked) <= 17 * KB


async def test_nothing_goes_while_something_urgent_does_and_a_wait_is_no_silence(
    hub, file_row, held, data, bench
) -> None:
    gate, waiting, asked = asyncio.Event(), asyncio.Event(), []

    class Pace:
        async def ready(self, length_bytes: int) -> None:
            asked.append(length_bytes)
            if "announce" in hub.seen:
                waiting.set()
                await gate.wait()

    target = bench.target(hub.url, timeout_s=1.0)
    task = asyncio.create_task(target.put_file(file_row(), held(data), Pace()))
    await waiting.wait()
    await asyncio.sleep(1.6)
    assert hub.seen == ["announce"]
    assert len(asked) == 2  # for the manifest and for the first piece, which still waits
    assert (await target.put([bench.row("urgent")])).acknowledged == ("urgent",)
    gate.set()
    assert (await task).kind == "delivered"
    await target.close()


async def test_a_chunk_that_was_cut_comes_back_smaller(hub, target, file_row, held, no_pace, data) -> None:
    hub.script["chunk"] = ["ok", "cut:9", "cut:9"]  # twice: the client library tries a PUT again
    await target.put_file(file_row(), held(data), no_pace)
    heads = [head for name, head in zip(hub.seen, hub.headers, strict=True) if name == "chunk"]
    sizes = [int(head["Content-Length"]) for head in heads]
    assert sizes[0] == SMALLEST_CHUNK_BYTES < sizes[1] == sizes[2] == 2 * sizes[3]


@pytest.mark.parametrize(
    "how", ["status:409", "status:422", "wrong", "status:416", "status:413", "lost", "cut:9"]
)
async def test_a_chunk_that_fails_goes_again_from_where_the_hub_is(
    hub, target, file_row, held, no_pace, data, how
) -> None:
    hub.script["chunk"] = ["ok", how, how]
    assert (await target.put_file(file_row(), held(data), no_pace)).kind == "delivered"
    assert bytes(hub.uploads["clip-1"].data) == data


async def test_a_hub_that_is_elsewhere_is_followed(hub, target, file_row, held, no_pace, data) -> None:
    hub.script["chunk"] = ["ok", "ok", "back:5000"]  # it lost all but 5 000 bytes, and says so by 409
    assert (await target.put_file(file_row(), held(data), no_pace)).kind == "delivered"
    assert bytes(hub.uploads["clip-1"].data) == data


async def test_a_hub_that_forgot_the_upload_is_told_again(hub, target, file_row, held, no_pace, data) -> None:
    hub.script["chunk"] = ["ok", "forget"]
    assert (await target.put_file(file_row(), held(data), no_pace)).kind == "delivered"
    assert bytes(hub.uploads["clip-1"].data) == data


async def test_broken_starts_again_once_then_later(hub, target, file_row, held, no_pace) -> None:
    data = random.Random(1).randbytes(SMALLEST_CHUNK_BYTES - 1)  # one chunk
    hub.script["chunk"] = ["broken"]
    assert (await target.put_file(file_row(), held(data), no_pace)).kind == "delivered"
    hub.uploads.clear()
    hub.script["chunk"] = ["broken", "broken"]
    verdict = await target.put_file(file_row(), held(data), no_pace)
    assert verdict.kind == "later"
    assert "hash" in verdict.error
    assert hub.seen.count("chunk") == 4


async def test_another_cut_of_the_same_footage_starts_anew(
    hub, target, file_row, held, no_pace, data
) -> None:
    hub.script["chunk"] = ["ok", "status:500"]
    assert (await target.put_file(file_row(), held(data), no_pace)).kind == "later"
    assert len(hub.uploads["clip-1"].data) > 0
    assert (await target.put_file(file_row(), held(data[:-1]), no_pace)).kind == "delivered"
    assert bytes(hub.uploads["clip-1"].data) == data[:-1]


@pytest.mark.parametrize("how", ["ok", "bare"])
async def test_what_is_complete_at_the_hub_is_delivered_however_it_was_cut(
    hub, target, file_row, held, no_pace, data, how
) -> None:
    await target.put_file(file_row(), held(data), no_pace)
    hub.script["announce"] = [how]
    verdict = await target.put_file(file_row(), held(data[:-1]), no_pace)
    assert verdict.acknowledged == ("clip-1",)
    assert bytes(hub.uploads["clip-1"].data) == data


@pytest.mark.parametrize(
    ("name", "how", "kind", "after_s"),
    [
        ("announce", "status:401", "refused", 0),
        ("announce", "status:422", "poisoned", 0),
        ("announce", "status:413", "poisoned", 0),
        ("announce", "status:503,9", "later", 9),
        ("announce", "status:409", "poisoned", 0),  # what it holds under this id is no file
        ("announce", "garbage", "later", 0),
        ("announce", "lost", "later", 0),
        ("announce", "huge", "later", 0),
        ("chunk", "status:403", "refused", 0),
        ("chunk", "status:507", "later", 0),
        ("chunk", "status:429,3", "later", 3),
        ("chunk", "garbage", "later", 0),
        ("chunk", f"garbage:{PARTIAL % (-1, 204_800)}", "later", 0),
        ("chunk", f"garbage:{PARTIAL % (0, 1)}", "later", 0),
    ],
)
async def test_what_ends_an_attempt(
    hub, target, file_row, held, no_pace, data, name, how, kind, after_s
) -> None:
    hub.script[name] = [how] * (2 if how == "lost" else 1)  # a PUT is tried twice by the client library
    verdict = await target.put_file(file_row(), held(data), no_pace)
    assert (verdict.kind, verdict.after_s) == (kind, after_s)
    assert verdict.error
    assert (await target.put_file(file_row(), held(data), no_pace)).kind == "delivered"
    assert bytes(hub.uploads["clip-1"].data) == data


@pytest.mark.parametrize("how", ["wrong", "cut:10", f"garbage:{PARTIAL % (0, 204_800)}"])
async def test_a_hub_that_takes_nothing_is_left_alone(
    hub, target, file_row, held, no_pace, data, how
) -> None:
    hub.script["chunk"] = [how] * 100
    assert (await target.put_file(file_row(), held(data), no_pace)).kind == "later"
    assert hub.seen.count("chunk") <= 8


@pytest.mark.parametrize("times", [2, 20])
async def test_a_hub_that_is_slow_to_finish_is_asked_again(
    hub, target, file_row, held, no_pace, data, times
) -> None:
    hub.script["chunk"] = ["ok", f"garbage:{PARTIAL % (204_800, 204_800)}"]
    hub.script["announce"] = ["ok", *[f"garbage:{PARTIAL % (204_800, 204_800)}"] * times]
    verdict = await target.put_file(file_row(), held(data), no_pace)
    assert verdict.kind == ("delivered" if times < 3 else "later")
    assert times < 3 or "putting the file together" in verdict.error


async def test_a_ring_that_lost_it_is_later(hub, target, file_row, held, no_pace, data) -> None:
    class Gone(held):
        async def read(self, offset, length_bytes):
            if offset:
                raise ApplianceError("data_loss", "the segment is gone")
            yield self.data[:length_bytes]

    class Short(held):
        async def read(self, offset, length_bytes):
            yield self.data[offset : offset + length_bytes - 1]

    assert "is gone" in (await target.put_file(file_row(), Gone(data), no_pace)).error
    verdict = await target.put_file(file_row(), Short(data), no_pace)
    assert (verdict.kind, "could be read" in verdict.error) == ("later", True)


async def test_a_row_that_owes_no_file_is_parked(hub, target, row, file_row, held, no_pace, data) -> None:
    for strange in (row("x", "clip", b"[]"), row("x", "clip", b"{"), file_row(kind="event")):
        assert (await target.put_file(strange, held(data), no_pace)).kind == "poisoned"
    assert (await target.put_file(file_row(), held(b""), no_pace)).kind == "poisoned"
    assert hub.seen == []


async def test_a_cancelled_chunk_takes_its_connection_with_it(hub, target, file_row, held, data) -> None:
    under_way = asyncio.Event()

    class Pace:
        async def ready(self, length_bytes: int) -> None:
            if hub.chunks and hub.seen[-1] == "chunk":
                under_way.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(target.put_file(file_row(), held(data), Pace()))
    await under_way.wait()
    (before,) = hub.connections
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    for _ in range(100):
        if before.is_closing():
            break
        await asyncio.sleep(0.01)
    assert before.is_closing()
    taken = len(hub.uploads["clip-1"].data)
    assert taken == sum(hub.chunks)
    assert hashlib.sha256(hub.uploads["clip-1"].data).digest() == hashlib.sha256(data[:taken]).digest()


def test_a_chunk_is_what_goes_out_in_some_seconds() -> None:
    chunk = ChunkSize()
    for _ in range(20):
        chunk.took(chunk.bytes_, chunk.bytes_ / 8_000)  # 64 kbit/s
    assert 2 * 8_000 <= chunk.bytes_ <= 4 * 8_000
    for _ in range(20):
        chunk.took(chunk.bytes_, chunk.bytes_ / 300_000)
    assert 2 * 300_000 <= chunk.bytes_ <= 4 * 300_000
    for _ in range(20):
        chunk.took(chunk.bytes_, 0.0)
    assert chunk.bytes_ == LARGEST_CHUNK_BYTES
    chunk.took(100, 9.0)  # the end of a file
    assert chunk.bytes_ == LARGEST_CHUNK_BYTES
    for _ in range(20):
        chunk.cut()
    assert chunk.bytes_ == SMALLEST_CHUNK_BYTES
