"""Files are owed in the transaction of their event, with their footage pinned until the row leaves."""

import msgspec
import pytest

from appliance.base.clock import parse_rfc3339
from appliance.base.model import Rule
from appliance.store import locks, outbox, outbox_counts, targets
from appliance.store.targets import Target
from appliance.sync.protocol.batch import FileBody

SECOND_NS = 10**9


@pytest.fixture
def hub(yard):
    yard.db.write_now(lambda c: targets.put(c, Target("hub", "https://hub", "hub"), None))
    yard.db.write_now(lambda c: targets.put(c, Target("cloud", "https://cloud"), None))
    return yard


def owed(yard, now_ns: int) -> dict[str, tuple[str, int, int, str]]:
    """kind -> (event id, start and end in seconds from the beginning, stream), of what is due."""
    found = {}
    for row in yard.db.write_now(lambda c: outbox.take(c, "hub", 99, now_ns, files=True)):
        body = msgspec.json.decode(row.body, type=FileBody)
        start_s, end_s = (
            (parse_rfc3339(text) - yard.start_ns) / SECOND_NS for text in (body.start_time, body.end_time)
        )
        found[row.kind] = (body.event_id, round(start_s, 2), round(end_s, 2), body.stream)
    return found


def pins(yard) -> set[tuple[str, float, float]]:
    return {
        (lock.reason, (lock.start_ns - yard.start_ns) / SECOND_NS, (lock.end_ns - yard.start_ns) / SECOND_NS)
        for lock in yard.db.read_now(locks.every)
        if lock.owner == "outbox"
    }


async def test_an_event_that_lasts_owes_its_clip_when_it_is_over(hub) -> None:
    intake = hub.intake()
    findings = hub.findings(intake, 0.2, *[0.6] * 100, 0.2)
    (began,), (ended,) = [f for f in findings if f.phase != "ended"], findings[-1:]
    (event,) = await intake.accept([began])
    at_s = (event.start_ns - hub.start_ns) / SECOND_NS
    assert set(owed(hub, event.start_ns)) == {"still"}, "the rest is not recorded yet"
    assert len(pins(hub)) == 2
    await intake.accept([ended])
    due = owed(hub, ended.time_ns)
    assert "clip" not in due, "its end is not recorded yet"
    assert due["small_clip"] == (event.id, round(at_s - 5, 2), round(at_s + 10, 2), "sub")
    end_s = (ended.time_ns - hub.start_ns) / SECOND_NS
    due = owed(hub, hub.start_ns + 300 * SECOND_NS)
    assert due["clip"] == (event.id, round(at_s - 5, 2), round(end_s + 5, 2), "main")
    assert len(pins(hub)) == 3
    assert hub.db.read_now(lambda c: outbox_counts.by_kind(c, "cloud")).keys() == {
        "event", "alert", "event_update"
    }  # fmt: skip


async def test_footage_stays_pinned_until_its_row_leaves(hub) -> None:
    intake = hub.intake()
    await intake.accept(hub.findings(intake, 0.2, 0.6))
    now_ns = hub.start_ns + 60 * SECOND_NS
    rows = hub.db.write_now(lambda c: outbox.take(c, "hub", 99, now_ns, files=True))
    assert {reason for reason, _, _ in pins(hub)} == {"still", "small_clip"}
    hub.db.write_now(lambda c: outbox.acknowledge(c, "hub", [rows[0].id], now_ns))
    assert {reason for reason, _, _ in pins(hub)} == {"small_clip"}
    hub.db.write_now(lambda c: outbox.park(c, "hub", [rows[1].id], "409"))
    assert len(pins(hub)) == 1, "a person may still mend it"
    hub.db.write_now(lambda c: targets.delete(c, "hub"))
    assert pins(hub) == set()


async def test_a_clip_has_an_end(hub) -> None:
    intake = hub.intake()
    findings = hub.findings(intake, 0.2, *[0.6] * 2_000, 0.2)
    await intake.accept(findings)
    event_id, start_s, end_s, _ = owed(hub, hub.start_ns + 3_000 * SECOND_NS)["clip"]
    assert event_id and end_s - start_s == 300


async def test_what_is_not_recorded_or_not_grave_owes_no_clip(hub) -> None:
    info = hub.intake(hub.rule(severity="info"))
    await info.accept(hub.findings(info, 0.2, 0.6))
    hub.recorded.clear()
    dark = hub.intake()
    await dark.accept(hub.findings(dark, 0.2, 0.6, track_id="w1-2", begin_s=30))
    kinds = hub.db.read_now(lambda c: outbox_counts.by_kind(c, "hub"))
    assert not {"clip", "small_clip"} & kinds.keys()


async def test_a_still_without_a_recording_is_owed_when_it_is_there(hub) -> None:
    hub.recorded.clear()
    intake = hub.intake()
    await intake.accept(hub.findings(intake, 0.2, 0.6))
    assert "still" not in hub.db.read_now(lambda c: outbox_counts.by_kind(c, "hub"))
    await hub.until(lambda: hub.events()[0].has_snapshot)
    assert hub.db.read_now(lambda c: outbox_counts.by_kind(c, "hub"))["still"].owed == 1
    await intake.close()


async def test_only_what_alarms_is_urgent(hub) -> None:
    rule: Rule = hub.rule(severity="critical", cooldown_s=60)
    intake = hub.intake(rule)
    await intake.accept(hub.findings(intake, 0.2, 0.6))
    await intake.accept(hub.findings(intake, 0.2, 0.6, track_id="w1-2", begin_s=20))
    rows = hub.db.write_now(lambda c: outbox.take(c, "hub", 9, hub.start_ns))
    assert [(row.kind, row.lane) for row in rows] == [("event", 0), ("alert", 0), ("event", 2)]
