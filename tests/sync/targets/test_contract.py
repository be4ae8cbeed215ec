"""What each kind of target promises, with its real peer (which is what: conftest)."""

import json
import random

import pytest

from appliance.store.outbox import OutboxRow
from appliance.sync.targets import registry

pytestmark = pytest.mark.filterwarnings("error")


def rows(count: int, first: int = 0, size: int = 40) -> list[OutboxRow]:
    made = []
    for n in range(first, first + count):
        body = {
            "camera_id": "gate",
            "start_time": "2026-01-20T14:30:00.000Z",
            "bbox": {"x": 0.1, "y": 0.2, "width": 0.2, "height": 0.4},
            "class_name": "person",
            "confidence": 0.9,
            "track_id": "e1-7",
            "text": "ä\ufffe" + "x" * size,
        }
        made.append(
            OutboxRow(
                f"row-{n}",
                "event",
                json.dumps(body, ensure_ascii=False).encode(),
                1_768_919_400_123_000_000,
                0,
                False,
            )
        )
    return made


def ids(some) -> list[str]:
    return [row.id for row in some]


@pytest.fixture
async def target(peer):
    made = registry.make(peer.given())
    yield made
    await made.close()


async def test_it_delivers_and_acknowledges_all(peer, target):
    some = rows(70)
    verdict = await target.put(some)
    assert (verdict.kind, verdict.rejected, verdict.error) == ("delivered", (), "")
    assert sorted(verdict.acknowledged) == sorted(ids(some)) == sorted(await peer.held())


async def test_a_second_delivery_is_known_by_its_id(peer, target):
    some = rows(5)
    for _ in range(2):
        assert (await target.put(some)).kind == "delivered"
    held = await peer.held()
    assert set(held) == set(ids(some))
    assert len(held) == (5 if peer.overwrites else 10)


async def test_a_tombstone_goes_as_one(peer, target):
    dead = OutboxRow(
        "dead-1", "event", b'{"kind":"event","reason":"quota"}', 1_768_919_400_123_000_000, 0, True
    )
    assert (await target.put([dead])).acknowledged == ("dead-1",)
    assert await peer.held() == ["dead-1"]


LONG = pytest.mark.long  # each library's own patience; one cut is enough for every day


@pytest.mark.parametrize("up_bytes", [20_000, *(pytest.param(n, marks=LONG) for n in (0, 1, 3_000, 37_000))])
async def test_cut_in_the_middle_nothing_is_acknowledged_that_is_not_held(peer, target, up_bytes):
    if peer.link is None:
        pytest.skip("has no link to cut: see test_directory")
    assert (await target.put(rows(1))).kind == "delivered"
    some = rows(40, first=1, size=1_000)
    peer.link.cut_after(up_bytes)
    verdict = await target.put(some)
    assert peer.link.is_cut and len(verdict.acknowledged) < len(some) and verdict.error
    assert verdict.kind == ("delivered" if verdict.acknowledged else "later")
    assert set(verdict.acknowledged) <= set(await peer.held())
    assert (await target.put(some)).kind == "later"  # nobody is there
    assert not (await target.probe()).ok
    await peer.link.mend()
    left = [row for row in some if row.id not in verdict.acknowledged]
    assert sorted((await target.put(left)).acknowledged) == sorted(ids(left))
    assert {"row-0", *ids(some)} == set(await peer.held())


@LONG
async def test_on_a_slow_link_a_batch_takes_longer_than_an_answer_may(peer):
    if peer.link is None:
        pytest.skip("has no link")
    target = registry.make(peer.given(timeout_s=5.0))
    assert (await target.put(rows(1))).kind == "delivered"
    peer.link.up_bytes_s = 8_000
    some, taken = rows(80, first=1, size=600), set()  # ten seconds, where an answer may take five
    for _ in range(6):
        verdict = await target.put([row for row in some if row.id not in taken])
        taken |= set(verdict.acknowledged)
        if len(taken) == len(some):
            break
    await target.close()
    assert taken == set(ids(some)) <= set(await peer.held())


async def test_killed_and_started_again_it_has_what_it_acknowledged(peer, target):
    acknowledged = set((await target.put(rows(20))).acknowledged)
    before = set(await peer.held())
    await peer.stop()
    assert (await target.put(rows(3, first=20))).kind == "later"
    await peer.start()
    assert acknowledged <= before | set(await peer.held())
    assert set((await target.put(rows(3, first=20))).acknowledged) == set(ids(rows(3, first=20)))


async def test_wrong_credentials_are_refused_in_words_without_them(peer):
    if peer.wrong is None:
        pytest.skip(peer.__doc__)
    made = registry.make(peer.given(**peer.wrong))
    verdict = await made.put(rows(1))
    probed = await made.probe()
    await made.close()
    assert verdict.kind == "refused" and "check" in verdict.error
    assert not probed.ok and probed.detail
    for secret in (peer.secret, peer.wrong.get("secret"), peer.given(**peer.wrong).secret):
        assert secret is None or secret not in verdict.error + probed.detail


async def test_a_row_too_long_is_rejected_alone(peer, target):
    some = [*rows(2), *rows(1, first=2, size=peer.too_long_bytes), *rows(2, first=3)]
    verdict = await target.put(some)
    assert verdict.kind == "delivered"
    assert sorted(verdict.acknowledged) == ["row-0", "row-1", "row-3", "row-4"]
    assert [id_ for id_, _ in verdict.rejected] == ["row-2"] and "bytes" in verdict.rejected[0][1]
    assert sorted(await peer.held()) == ["row-0", "row-1", "row-3", "row-4"]


async def test_probe_tells_the_truth_and_leaves_nothing(peer, target):
    probed = await target.probe()
    assert probed.ok and probed.detail
    assert await peer.held() == []


async def test_close_twice(peer):
    made = registry.make(peer.given())
    await made.put(rows(1))
    await made.close()
    await made.close()


CLIP = OutboxRow("clip-1", "clip", b"{}", 1_768_919_400_123_000_000, 0, False)


@pytest.fixture
async def file_target(file_peer):
    made = registry.make(file_peer.given())
    yield made
    await made.close()


@pytest.mark.parametrize("size_bytes", [1, 12_000_000])
async def test_a_file_arrives_bit_for_bit(file_peer, file_target, film, pace, size_bytes):
    made = film(random.Random(size_bytes).randbytes(size_bytes))
    verdict = await file_target.put_file(CLIP, made, pace)
    assert (verdict.kind, verdict.acknowledged, verdict.error) == ("delivered", ("clip-1",), "")
    assert await file_peer.file("clip-1") == made.data
    assert pace.sent_bytes == size_bytes
    assert (await file_target.put_file(CLIP, made, pace)).acknowledged == ("clip-1",)
    assert pace.sent_bytes == size_bytes  # known; not sent again
    assert await file_peer.leftovers() == 0


async def test_a_file_that_changes_while_it_is_read_does_not_arrive(file_peer, file_target, film, pace):
    made = film(bytes(6_000_000))
    made.data = made.data[:-1] + b"x"
    verdict = await file_target.put_file(CLIP, made, pace)
    assert verdict.kind == "later" and "changed" in verdict.error
    assert await file_peer.file("clip-1") is None and await file_peer.leftovers() == 0


async def test_a_still_travels_inside_its_message_where_it_may(message_peer, film, pace):
    made = registry.make(message_peer.given(options={"stills": "inline"}))
    row = OutboxRow("still-1", "still", b'{"camera_id":"gate"}', 1_768_919_400_123_000_000, 0, False)
    still, clip = film(b"\xff\xd8" + bytes(20_000), "image/jpeg"), film(bytes(20_000))
    huge = film(bytes(1_500_000), "image/jpeg")
    plain = registry.make(message_peer.given())
    assert made.takes_files and not plain.takes_files
    await plain.close()
    assert (await made.put_file(row, still, pace)).acknowledged == ("still-1",)
    for each in (clip, huge):
        refused = await made.put_file(row, each, pace)
        assert refused.rejected and not refused.acknowledged
    still.data = still.data[:-1] + b"x"
    assert (await made.put_file(row, still, pace)).kind == "later"
    await made.close()
    assert await message_peer.held() == ["still-1"]
