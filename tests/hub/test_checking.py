"""The bucket was restored from a time before its database."""

import json

import pytest

from appliance.base.errors import ApplianceError
from appliance.hub.checking import AT_ONCE, MARK, Checker
from appliance.hub.running import sweep_once
from appliance.hub.store import received, uploads

FILM = bytes(range(256)) * 8


async def send(box, id_, data=FILM):
    await box.begin(id_, data)
    _, said = await box.chunk(id_, 0, data)
    return said["state"]


async def lose(served, *ids):
    for id_ in ids:
        upload = await served.hub.store.read(lambda i=id_: uploads.get("box-1", i))
        await served.hub.files.delete(upload.name)


async def test_what_the_bucket_lacks_is_asked_for_again_and_comes(served):
    box = await served.box("box-1")
    ids = [f"c{n:03d}" for n in range(AT_ONCE + 5)]
    for id_ in ids:
        assert await send(box, id_) == "complete"
    checker, before = Checker(served.hub), await box.counts()
    while await checker.once() or checker._place is not None:
        pass
    assert await box.counts() == before
    gone = [ids[0], ids[7], ids[-1]]
    await lose(served, *gone)
    assert sum([await checker.once() for _ in range(3)]) == 3
    # the box notices by its heartbeat and by the counts, and is told which
    assert (await box.beat())[1]["rows"] == len(ids) - 3
    assert await box.counts() != before
    _, said = await box.ask("POST", "/missing", {"ids": ids})
    assert said["ids"] == gone
    assert (await box.begin(gone[0], FILM))[1] == {
        "id": gone[0], "state": "broken", "received_bytes": 0, "size_bytes": len(FILM),
    }  # fmt: skip
    for id_ in gone:
        assert await send(box, id_) == "complete"
    assert await box.counts() == before
    served.clock.tick(700)
    await sweep_once(served.hub)  # the garbage of the lost ones is not the new ones
    assert sum([await checker.once() for _ in range(3)]) == 0


async def test_one_that_the_ring_has_lost_too_is_told_as_lost(served):
    box, anna = await served.box("box-1"), await served.person("anna", "viewer")
    await send(box, "c1")
    await Checker(served.hub).once()
    await lose(served, "c1")
    assert await Checker(served.hub).once() == 1
    _, said = await anna.ask("GET", "/uploads/box-1/c1")
    assert (said["upload"]["state"], said["upload"]["lost"]) == ("broken", False)
    await box.batch(box.row("c1", "tombstone", {"kind": "clip", "reason": "the ring has lost it"}))
    _, said = await anna.ask("GET", "/uploads/box-1/c1")
    assert (said["upload"]["state"], said["upload"]["lost"]) == ("broken", True)
    kept = await served.hub.store.read(lambda: received.buckets("box-1"))
    assert {bucket.kind: bucket.count for bucket in kept} == {"tombstone": 1}
    assert json.dumps(said)


async def test_a_disk_that_is_not_mounted_loses_nothing(served):
    box = await served.box("box-1")
    await send(box, "c1")
    checker = Checker(served.hub)
    await checker.once()
    await lose(served, "c1")
    await served.hub.files.delete(MARK)
    before = await box.counts()
    with pytest.raises(ApplianceError) as caught:
        await checker.once()
    assert caught.value.kind == "data_loss" and caught.value.hint
    assert await box.counts() == before
