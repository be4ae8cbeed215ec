"""What a box may take of the store of files; and an id that is one thing only."""

import asyncio

from appliance.hub.settings import HubSettings, Quota
from appliance.hub.store import quota, uploads
from appliance.hub.store.steps import every


async def test_promised_bytes_have_a_bound(served):
    served.hub.settings = HubSettings(quota=Quota(bytes_per_box=10_000, partial_per_box=0))
    box, other = await served.box("box-a"), await served.box("box-b")
    assert (await box.begin("c1", b"x" * 6_000))[0] == 201
    assert (await box.begin("c1", b"x" * 6_000))[0] == 200
    status, said = await box.begin("c2", b"x" * 4_001)
    assert (status, said["error"]["kind"]) == (507, "exhausted")
    assert (await box.begin("c2", b"x" * 4_000))[0] == 201
    assert (await box.begin("c2", b"x" * 3_000))[0] == 201  # instead of the former
    assert (await box.begin("c1", b"x" * 7_001))[0] == 507
    assert (await other.begin("c3", b"x" * 6_000))[0] == 201
    await box.chunk("c2", 0, b"x" * 3_000)
    assert (await box.begin("c4", b"x" * 1_001))[0] == 507  # complete ones count
    assert (await box.begin("c2", b"x" * 3_000))[0] == 200


async def test_many_manifests_at_once_do_not_pass_it(start):
    first, second = await start(), await start()
    for served in (first, second):
        served.hub.settings = HubSettings(quota=Quota(bytes_per_box=10_000))
    box = await first.box("box-a")
    twin = type(box)(second.client, box.clock, box.id, "", token=box.token)
    answers = await asyncio.gather(*((box, twin)[n % 2].begin(f"c{n}", b"x" * 2_000) for n in range(12)))
    assert sorted(status for status, _ in answers) == [201] * 5 + [507] * 7


async def test_so_many_uploads_are_open_and_old_ones_make_room(served):
    served.hub.settings = HubSettings(quota=Quota(partial_per_box=2))
    box = await served.box("box-a")
    assert [(await box.begin(f"c{n}", b"xy"))[0] for n in range(3)] == [201, 201, 507]
    await box.chunk("c0", 0, b"xy")
    assert (await box.begin("c3", b"xy"))[0] == 201
    served.clock.tick(quota.STALE_NS / 1e9 + 1)
    await box.chunk("c3", 0, b"x")
    assert (await box.begin("c4", b"xy"))[0] == 201
    assert (await box.ask("GET", "/uploads/c1"))[0] == 404  # nobody went on with it
    assert (await box.ask("GET", "/uploads/c3"))[1]["received_bytes"] == 1
    assert (await box.begin("c1", b"xy"))[0] == 507


async def test_a_row_under_the_id_of_a_partial_upload_takes_its_place(served):
    box = await served.box("box-a")
    await box.begin("c1", b"xyz")
    await box.chunk("c1", 0, b"xy")
    _, said = await box.batch(box.row("c1", "metrics", {}))
    assert said["acknowledged"] == ["c1"]
    assert (await box.chunk("c1", 2, b"z"))[0] == 404
    assert [kind for kind, _ in await box.counts()] == ["metrics"]
    assert await served.hub.store.read(lambda: uploads.get("box-a", "c1")) is None
    left = await served.hub.store.read(lambda: every("SELECT count(*) AS n FROM chunks"))
    assert left[0]["n"] == 0
    assert len(await served.hub.store.read(lambda: uploads.garbage(1 << 62))) == 2
    await box.begin("c2", b"xyz")
    await box.chunk("c2", 0, b"xyz")
    await box.batch(box.row("c2", "metrics", {}))  # a complete one stays what it is
    assert (await box.ask("GET", "/uploads/c2"))[1]["state"] == "complete"
    assert sorted(kind for kind, _ in await box.counts()) == ["clip", "metrics"]


async def test_a_tombstone_opens_no_way_around_the_bound(served):
    served.hub.settings = HubSettings(quota=Quota(bytes_per_box=1_000))
    box = await served.box("box-a")
    await box.batch(box.row("c1", "tombstone", {"kind": "clip", "reason": "quota"}))
    assert (await box.begin("c1", b"x" * 1_001))[0] == 507
    assert (await box.begin("c1", b"x" * 1_000))[0] == 201
