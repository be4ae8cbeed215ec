"""What is old goes, what is waited for stays, and nobody is asked for it again."""

import msgspec
import pytest

from appliance.base.clock import SECOND_NS
from appliance.hub.retaining import Gone, retain_once
from appliance.hub.settings import Retention
from appliance.hub.store import audit, received, sites, uploads
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import every

DAY_S = 86_400.0
FILM = bytes(range(256)) * 8


@pytest.fixture
def keep(served):
    """``await keep(rows_days=...)``: one pass."""

    async def once(**said) -> Gone:
        served.hub.settings = msgspec.structs.replace(served.hub.settings, retention=Retention(**said))
        return await retain_once(served.hub)

    return once


async def shown(served) -> set[str]:
    rows = await served.hub.store.read(lambda: every("SELECT id FROM rows"))
    return {row["id"] for row in rows}


async def film(box, id_, data=FILM, days=0.0, event_id="e0"):
    at_s = -days * DAY_S
    said = box.manifest(data, event_id=event_id)
    created_at = box.row("x", at_s=at_s)["created_at"]
    await box.begin(id_, data, created_at=created_at, file=said["file"])
    status, answer = await box.chunk(id_, 0, data)
    assert (status, answer["state"]) == (200, "complete")


def alert(box, id_, event_id, days, status="new"):
    at = box.row("x", at_s=-days * DAY_S)["created_at"]
    body = {"id": id_, "event_id": event_id, "camera_id": "gate", "severity": "critical",
            "status": status, "created_at": at}  # fmt: skip
    return box.row(id_, "alert", body, at_s=-days * DAY_S)


async def test_both_ends_still_agree_and_nothing_is_sent_again(served, keep):
    box = await served.box("box-1")
    days = {"e0": 700, "e1": 450, "e2": 399, "e3": 30, "e4": 0}
    await box.batch(*(box.row(id_, at_s=-d * DAY_S) for id_, d in days.items()))
    await box.batch(box.row("t1", "tombstone", {"kind": "clip", "reason": "quota"}, at_s=-500 * DAY_S))
    await film(box, "c1", days=100)
    await film(box, "c2", FILM[1:], days=10)
    before, (_, beat) = await box.counts(), await box.beat()

    gone = await keep()
    assert (gone.files, gone.file_bytes) == (1, len(FILM))
    assert gone.rows == 3 and await shown(served) == {"e2", "e3", "e4"}

    # owed = acknowledged + tombstoned, at both ends: the same figures by day and kind, and none is missing
    assert await box.counts() == before
    assert (await box.beat())[1]["rows"] == beat["rows"] == 8
    assert (await box.ask("POST", "/missing", {"ids": [*days, "t1", "c1", "c2"]}))[1] == {"ids": []}
    kept = await served.hub.store.read(lambda: received.buckets("box-1"))
    assert kept == await served.hub.store.read(lambda: received.recounted("box-1"))

    # an answer was lost, and the box says it all again: acknowledged, and not held twice, nor again
    said = await box.batch(*(box.row(id_, at_s=-d * DAY_S) for id_, d in days.items()))
    assert set(said[1]["acknowledged"]) == set(days) and await shown(served) == {"e2", "e3", "e4"}
    assert (await box.begin("c1", FILM))[1]["state"] == "complete"
    assert await served.hub.store.read(lambda: uploads.get("box-1", "c1")) is None
    assert await box.counts() == before
    assert not await keep()


async def test_what_an_open_alert_needs_stays_until_the_alert_is_very_old(served, keep):
    box = await served.box("box-1")
    for id_, days, status in (("1", 500, "new"), ("2", 500, "acknowledged"), ("3", 900, "new")):
        await box.batch(
            box.row(f"e{id_}", at_s=-days * DAY_S), alert(box, f"a{id_}", f"e{id_}", days, status)
        )
        await film(box, f"c{id_}", FILM + id_.encode(), days=days, event_id=f"e{id_}")
    gone = await keep()
    assert (gone.alerts, gone.files) == (2, 2)
    assert await shown(served) == {"e1"}
    alerts = await served.hub.store.read(lambda: every("SELECT id FROM alerts"))
    assert [row["id"] for row in alerts] == ["a1"]
    assert await served.hub.store.read(lambda: uploads.get("box-1", "c1")) is not None
    row = await served.hub.store.read(lambda: every("SELECT alerts_open, alerts_critical FROM boxes"))
    assert dict(row[0]) == {"alerts_open": 1, "alerts_critical": 1}


@pytest.mark.parametrize("what", ["box", "site"])
async def test_the_oldest_files_go_until_the_bytes_are_kept(served, keep, what):
    await served.hub.store.write(lambda: sites.put(Site("s", "S")))
    boxes = [await served.box(f"box-{n}", site_id="s") for n in range(2)]
    for box in boxes:
        for n in range(4):
            await film(box, f"{box.id}-c{n}", FILM + b"%d" % n, days=20 - n - (0 if box is boxes[0] else 10))
    size = len(FILM) + 1
    await keep(**{f"files_bytes_per_{what}": 2 * size + 5})
    rows = await served.hub.store.read(lambda: every("SELECT id FROM uploads ORDER BY id"))
    left = [row["id"] for row in rows]
    if what == "box":
        assert left == ["box-0-c2", "box-0-c3", "box-1-c2", "box-1-c3"]
    else:
        assert left == ["box-1-c2", "box-1-c3"]


async def test_what_went_is_in_the_audit_log_and_zero_is_for_ever(served, keep):
    box = await served.box("box-1")
    await box.batch(box.row("e1", at_s=-9_000 * DAY_S))
    assert not await keep(rows_days=0, files_days=0, alerts_days=0)
    assert await keep()
    rows, _ = await served.hub.store.read(lambda: audit.page(10, None))
    (said,) = [msgspec.json.decode(row.detail) for row in rows if row.action == "expired"]
    assert said["rows"] == 1 and said["rows_days"] == 400


async def test_a_wrong_clock_s_rows_go_by_when_they_came(served, keep):
    """A box that thinks it is 1980, or 2040: its rows are as old as their arrival."""
    box = await served.box("box-1")
    await box.beat(box_time="1980-01-01T00:00:00.000Z")
    await box.batch({**box.row("e1"), "created_at": "1980-01-01T00:00:00.000Z"}, box.row("e2", at_s=9e8))
    assert not await keep()
    assert await shown(served) == {"e1", "e2"}
    box.clock.tick(401 * DAY_S)
    assert (await keep()).rows == 2


async def test_months_that_went_are_not_made_again(served, keep):
    if served.hub.store.kind != "postgres":
        pytest.skip("only PostgreSQL has months")
    gone = await keep(rows_days=100)
    assert len(gone.months) == 11
    now_ns = served.clock.now_ns()
    await served.hub.store.tend(now_ns, now_ns - round(100 * DAY_S) * SECOND_NS)
    assert (await keep(rows_days=100)).months == ()
    box = await served.box("box-1")
    await box.batch(box.row("e1", at_s=-300 * DAY_S))  # it was away for a year
    assert (await keep(rows_days=100)).rows == 1


async def test_the_real_thing_takes_the_place_of_its_tombstone_and_never_the_other_way(served):
    box = await served.box("box-1")
    tombstone = {"kind": "event", "reason": "quota"}
    await box.batch(*(box.row(id_, "tombstone", tombstone) for id_ in ("e1", "e2", "c1")))
    await box.batch(box.row("e1"))
    await film(box, "c1")
    await box.batch(*(box.row(id_, "tombstone", tombstone) for id_ in ("e1", "c1")))
    rows = await served.hub.store.read(lambda: every("SELECT id, kind FROM rows ORDER BY id"))
    assert [(row["id"], row["kind"]) for row in rows] == [("e1", "event"), ("e2", "tombstone")]
    kept = await served.hub.store.read(lambda: received.buckets("box-1"))
    assert {bucket.kind: bucket.count for bucket in kept} == {"event": 1, "clip": 1, "tombstone": 1}
    assert kept == await served.hub.store.read(lambda: received.recounted("box-1"))
