"""Files in chunks: in order, out of order, twice, wrong, cut, from two instances at once."""

import asyncio
import hashlib
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.hub.store import uploads
from appliance.hub.store.steps import every
from appliance.sync.protocol.upload import LARGEST_CHUNK_BYTES

EMBEDDED = pytest.mark.parametrize("places", ["embedded"], indirect=True)  # the store has no say in it
DATA = random.Random(4).randbytes(100_000)


async def stored(served, box_id: str, id_: str) -> bytes:
    """The whole file as it lies in the store of files."""
    upload = await served.hub.store.read(lambda: uploads.get(box_id, id_))
    pieces = [piece async for piece in served.hub.files.read(upload.name, 0, upload.size_bytes)]
    return b"".join(pieces)


async def test_a_file_comes_in_chunks_and_is_acknowledged_when_its_hash_fits(served):
    box = await served.box("box-a")
    assert (await box.begin("c1", DATA))[0] == 201
    assert (await box.begin("c1", DATA))[0] == 200
    for offset in range(0, len(DATA), 30_000):
        assert await box.counts() == {}
        status, said = await box.chunk("c1", offset, DATA[offset : offset + 30_000])
        assert status == 200
    assert said == {"id": "c1", "state": "complete", "received_bytes": 100_000, "size_bytes": 100_000}
    assert (await box.ask("GET", "/uploads/c1")) == (200, said)
    assert await stored(served, "box-a", "c1") == DATA
    assert [(kind, count) for (kind, _), (count, _) in (await box.counts()).items()] == [("clip", 1)]
    assert (await box.begin("c1", DATA)) == (200, said)
    status, told = await box.begin("c1", DATA[:-1])
    assert (status, told["error"]["kind"]) == (409, "conflict")


async def test_a_chunk_elsewhere_is_409_with_where_to_go_on(served):
    box = await served.box("box-a")
    await box.begin("c1", DATA)
    await box.chunk("c1", 0, DATA[:40_000])
    for offset, end in ((50_000, 60_000), (30_000, 50_000), (0, 40_001)):
        status, said = await box.chunk("c1", offset, DATA[offset:end])
        assert (status, said["error"]["field"]) == (409, "offset")
        assert said["upload"]["received_bytes"] == 40_000
    for offset, end in ((0, 40_000), (10_000, 20_000), (39_999, 40_000)):  # that are there already
        status, said = await box.chunk("c1", offset, DATA[offset:end])
        assert (status, said["received_bytes"]) == (200, 40_000)
    chunks = await served.hub.store.read(lambda: every("SELECT offset_bytes FROM chunks"))
    assert [row["offset_bytes"] for row in chunks] == [0]


@EMBEDDED
async def test_a_chunk_with_a_wrong_hash_is_not_taken(served):
    box = await served.box("box-a")
    await box.begin("c1", DATA)
    for said in ("0" * 64, "", "nonsense", hashlib.sha256(b"other").hexdigest().upper()):
        assert (await box.chunk("c1", 0, DATA[:1000], said))[0] == 400
    assert (await box.chunk("c1", 0, b""))[0] == 400
    assert (await box.ask("GET", "/uploads/c1"))[1]["received_bytes"] == 0


@EMBEDDED
async def test_a_chunk_beyond_the_end_or_too_long_is_not_taken(served):
    box = await served.box("box-a")
    await box.begin("c1", DATA)
    assert (await box.chunk("c1", 0, DATA + b"x"))[0] == 400
    assert (await box.chunk("c1", 0, bytes(LARGEST_CHUNK_BYTES + 1)))[0] == 413
    assert (await box.ask("GET", "/uploads/c1"))[1]["received_bytes"] == 0


async def test_a_file_whose_hash_does_not_fit_is_thrown_away_and_may_come_again(served):
    box = await served.box("box-a")
    await box.begin("c1", DATA)
    wrong = DATA[:50_000] + bytes(50_000)
    await box.chunk("c1", 0, wrong[:60_000])
    status, said = await box.chunk("c1", 60_000, wrong[60_000:])
    assert (status, said["state"], said["received_bytes"]) == (200, "broken", 0)
    assert await box.counts() == {}
    assert (await box.ask("GET", "/uploads/c1"))[1]["state"] == "broken"
    assert (await box.begin("c1", DATA))[0] == 200
    assert (await box.chunk("c1", 0, DATA))[1]["state"] == "complete"
    assert await stored(served, "box-a", "c1") == DATA


async def test_another_manifest_begins_anew(served):
    box = await served.box("box-a")
    await box.begin("c1", DATA)
    await box.chunk("c1", 0, DATA[:1000])
    other = os.urandom(5000)
    status, said = await box.begin("c1", other)
    assert (status, said["received_bytes"], said["size_bytes"]) == (201, 0, 5000)
    assert (await box.chunk("c1", 0, other))[1]["state"] == "complete"
    assert await stored(served, "box-a", "c1") == other


async def test_an_id_that_was_delivered_as_a_tombstone_is_one_until_all_of_the_file_is_here(served):
    box = await served.box("box-a")
    await box.batch(box.row("c1", "tombstone", {"kind": "clip", "reason": "quota"}))
    assert (await box.begin("c1", DATA))[0] == 201  # it came over another way after all: a stick, say
    assert {kind for kind, _ in await box.counts()} == {"tombstone"}
    await box.chunk("c1", 0, DATA)
    assert {kind: count for (kind, _), (count, _) in (await box.counts()).items()} == {"clip": 1}


@EMBEDDED
@pytest.mark.parametrize(
    "id_", ["..%2F..%2Fetc%2Fpasswd", "a%2Fb", "%2e%2e", ".", "a%00b", "a" * 65, "a%0A", "caf%C3%A9"]
)
async def test_a_path_in_an_id_is_refused(served, id_):
    box = await served.box("box-a")
    for method, path, data in (
        ("PUT", f"/uploads/{id_}", box.manifest(DATA)),
        ("GET", f"/uploads/{id_}", None),
        ("PUT", f"/uploads/{id_}/chunks/0", DATA),
    ):
        response = await box.raw(method, path, data, X_Chunk_SHA256="0" * 64)
        assert response.status in (400, 404, 405)
        assert "error" in await response.json()


@EMBEDDED
@pytest.mark.parametrize("offset", ["-1", "1.5", "0x10", "1" * 13, "%20", "%D9%A1"])
async def test_an_offset_that_is_none_is_refused(served, offset):
    box = await served.box("box-a")
    await box.begin("c1", DATA)
    response = await box.raw("PUT", f"/uploads/c1/chunks/{offset}", DATA, X_Chunk_SHA256="0" * 64)
    assert response.status == 400


@EMBEDDED
@pytest.mark.parametrize(
    "change",
    [{"size_bytes": 0}, {"size_bytes": (4 << 30) + 1}, {"size_bytes": -5}, {"sha256": "x"}, {"kind": "exe"},
     {"mime": "text/html"}, {"created_at": "today"}, {"file": {}}],
)  # fmt: skip
async def test_a_manifest_that_makes_no_sense_is_refused(served, change):
    box = await served.box("box-a")
    assert (await box.begin("c1", DATA, **change))[0] == 400
    assert (await box.ask("GET", "/uploads/c1"))[0] == 404


async def test_two_instances_that_get_the_same_chunks_at_once_agree(start):
    first, second = await start(), await start()
    box = await first.box("box-a")
    twin = type(box)(second.client, box.clock, box.id, "", token=box.token)
    await box.begin("c1", DATA)
    for offset in range(0, len(DATA), 25_000):
        piece = DATA[offset : offset + 25_000]
        answers = await asyncio.gather(*(who.chunk("c1", offset, piece) for who in (box, twin) * 3))
        assert {status for status, _ in answers} == {200}
        assert {said["received_bytes"] for _, said in answers} == {offset + len(piece)}
    assert (await twin.ask("GET", "/uploads/c1"))[1]["state"] == "complete"
    assert await stored(second, "box-a", "c1") == DATA
    assert [count for count, _ in (await box.counts()).values()] == [1]


async def test_two_instances_that_get_different_chunks_at_once_take_one(start):
    first, second = await start(), await start()
    box = await first.box("box-a")
    twin = type(box)(second.client, box.clock, box.id, "", token=box.token)
    await box.begin("c1", DATA)
    answers = await asyncio.gather(box.chunk("c1", 0, DATA[:10_000]), twin.chunk("c1", 0, DATA[:70_000]))
    received = (await box.ask("GET", "/uploads/c1"))[1]["received_bytes"]
    assert received in (10_000, 70_000)
    assert sorted(status for status, _ in answers) in ([200, 200], [200, 409])
    assert (await box.chunk("c1", received, DATA[received:]))[1]["state"] == "complete"
    assert await stored(first, "box-a", "c1") == DATA


async def test_an_instance_finishes_what_another_left_unfinished(start, monkeypatch):
    first, second = await start(), await start()
    box = await first.box("box-a")
    await box.begin("c1", DATA)

    async def dies(names, whole):
        raise OSError("the process is killed here")

    monkeypatch.setattr(first.hub.files, "join", dies)
    assert (await box.chunk("c1", 0, DATA))[0] == 500
    twin = type(box)(second.client, box.clock, box.id, "", token=box.token)
    assert (await twin.ask("GET", "/uploads/c1"))[1]["state"] == "complete"
    assert await stored(second, "box-a", "c1") == DATA


async def test_chunks_that_are_gone_are_asked_for_again(served):
    """The database was restored from yesterday; what was garbage since is swept."""
    box = await served.box("box-a")
    await box.begin("c1", DATA)
    await box.chunk("c1", 0, DATA[:50_000])
    upload = await served.hub.store.read(lambda: uploads.get("box-a", "c1"))
    await served.hub.files.delete(upload.chunk_prefix)
    assert (await box.chunk("c1", 50_000, DATA[50_000:]))[1]["state"] == "broken"
    assert (await box.chunk("c1", 0, DATA))[1]["state"] == "complete"
    assert await stored(served, "box-a", "c1") == DATA


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_chunks_come_the_file_is_whole_or_not_there(embedded, data):
    """Any order, sizes, repeats and lies: the hub has a prefix of the file, and in the end the file."""
    content = data.draw(st.binary(min_size=1, max_size=400))
    tries = data.draw(
        st.lists(
            st.tuples(st.integers(0, 399), st.integers(1, 200), st.sampled_from(["right"] * 4 + ["wrong"])),
            max_size=12,
        )
    )

    async def play(served, box, id_):
        await box.begin(id_, content)
        received = 0
        for offset, length, truth in tries:
            piece = content[offset : offset + length]
            if not piece:
                continue
            status, _ = await box.chunk(id_, offset, piece, None if truth == "right" else "0" * 64)
            if truth == "right" and status == 200:
                received = max(received, offset + len(piece))
            assert status == 400 if truth == "wrong" and offset == received else status in (200, 400, 409)
            said = (await box.ask("GET", f"/uploads/{id_}"))[1]
            assert said["received_bytes"] == received
            assert (said["state"] == "complete") == (received == len(content))
        while received < len(content):
            _, said = await box.chunk(id_, received, content[received : received + 97])
            received = said["received_bytes"]
        assert said["state"] == "complete" if tries or content else True
        assert await stored(served, box.id, id_) == content

    embedded(play)
