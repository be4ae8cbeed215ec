"""What an order of the hub does, over real HTTP: asked for, obeyed, answered."""

import json

import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.store import commands, locks, outbox, targets
from appliance.store.cameras import KEEP
from appliance.store.owed_files import owed_file
from appliance.store.policy import Policy
from appliance.store.targets import Target
from appliance.sync.keeping import keep


async def test_an_order_is_fetched_obeyed_and_answered_once(bench, hub):
    hub.order("ping")
    bench.start()
    await bench.until(lambda: bench.states() == ["done"])
    (result,) = bench.results()
    assert result["command_id"] == "order-1" and result["result"]["box_time"]
    assert [(row["thing"], row["state"], row["by"]) for row in bench.audit("commanded")] == [
        ("command/order-1", "done", "anna")
    ]
    await bench.until(lambda: hub.polls[-1]["after"] == "1")
    assert hub.polls[0]["after"] == "0"


async def test_the_answer_is_owed_to_the_hub_alone(bench, hub):
    await bench.take(hub.signed("ping"))
    assert bench.rows("SELECT target_id FROM outbox") == [("hub",)]


async def test_a_clip_is_owed_with_its_footage_pinned(bench, hub):
    now_ns = bench.clock.now_ns()
    span = {"start_time": rfc3339(now_ns - 60 * SECOND_NS), "end_time": rfc3339(now_ns)}
    await bench.take(hub.signed("fetch_clip", {"camera_id": "gate", "stream": "sub", **span}))
    ((row_id, kind, body),) = bench.rows("SELECT id, kind, body FROM outbox WHERE kind != 'command_result'")
    assert kind == "small_clip"
    assert json.loads(body) == {"event_id": "order-1", "camera_id": "gate", "stream": "sub", **span}
    assert bench.results()[0]["result"] == {"row_id": row_id, "kind": kind}
    pins = bench.db.read_now(lambda c: locks.overlapping(c, "gate", now_ns - SECOND_NS, now_ns))
    assert [(pin.owner, pin.owner_id) for pin in pins] == [("outbox", row_id)]


async def test_a_clip_counts_for_what_the_ring_has_of_it(bench, hub):
    now_ns = bench.clock.now_ns()
    hour = {"start_time": rfc3339(now_ns - 3600 * SECOND_NS), "end_time": rfc3339(now_ns)}
    for held_bytes, counted in ((70_000, 70_000), (1 << 40, 1_800_000_000)):
        bench.footage.of_gate_bytes = held_bytes
        await bench.take(hub.signed("fetch_clip", {"camera_id": "gate", **hour}))
        ((size_bytes, body),) = bench.rows(
            "SELECT size_bytes, body FROM outbox WHERE kind = 'clip' ORDER BY position DESC LIMIT 1"
        )
        assert size_bytes - len(body) == counted


async def test_a_dozen_clips_do_not_push_out_what_events_owe(bench, hub):
    now_ns = bench.clock.now_ns()
    policy = Policy(quota_bytes=10_000_000_000, body_days=3650)
    owed = msgspec.json.encode(owed_file("event-1", "gate", now_ns - 9 * SECOND_NS, now_ns))

    def waits(conn) -> None:
        targets.put(conn, Target("hub", hub.url, "hub", policy=policy), KEEP)
        outbox.enqueue(conn, ["hub"], "of-event", "clip", owed, now_ns, file_bytes=6_000_000_000)

    bench.db.write_now(waits)
    span = {"start_time": rfc3339(now_ns - 3000 * SECOND_NS), "end_time": rfc3339(now_ns)}
    for stream in ("main", "sub") * 6:
        bench.footage.of_gate_bytes = 1_000_000_000
        await bench.take(hub.signed("fetch_clip", {"camera_id": "gate", "stream": stream, **span}))
    states = bench.states()
    assert states == ["done"] * 4 + ["failed"] * 8, "2 of 1 GB and 2 of 0.2 GB are a quarter"
    assert "their share" in bench.results()[-2]["message"] and "wait until" in bench.results()[-2]["message"]
    await keep(bench.db, bench.clock)
    assert bench.rows("SELECT count(*) FROM outbox WHERE is_tombstone = 1") == [(0,)]
    # Events go on: what was fetched makes room for them, although they are older.
    more = owed.replace(b"event-1", b"event-2")
    bench.db.write_now(
        lambda conn: outbox.enqueue(conn, ["hub"], "later", "clip", more, now_ns, file_bytes=3_000_000_000)
    )
    await keep(bench.db, bench.clock)
    gone = {row_id for (row_id,) in bench.rows("SELECT id FROM outbox WHERE is_tombstone = 1")}
    assert gone and not gone & {"of-event", "later"}


async def test_no_clip_is_fetched_where_events_fill_what_may_wait(bench, hub):
    now_ns = bench.clock.now_ns()
    owed = msgspec.json.encode(owed_file("event-1", "gate", now_ns - 9 * SECOND_NS, now_ns))
    bench.db.write_now(
        lambda conn: outbox.enqueue(conn, ["hub"], "of-event", "clip", owed, now_ns, file_bytes=20 * 10**9)
    )
    span = {"start_time": rfc3339(now_ns - 60 * SECOND_NS), "end_time": rfc3339(now_ns)}
    await bench.take(hub.signed("fetch_clip", {"camera_id": "gate", **span}))
    assert bench.states() == ["failed"] and "leaves no room" in bench.results()[0]["message"]
    assert bench.rows("SELECT count(*) FROM locks WHERE reason = 'fetched'") == [(0,)]


async def test_clips_that_cannot_be_are_refused_in_words(bench, hub):
    now_ns = bench.clock.now_ns()
    fine = {
        "camera_id": "gate",
        "start_time": rfc3339(now_ns - 60 * SECOND_NS),
        "end_time": rfc3339(now_ns),
    }
    for change, words in (
        ({"camera_id": "nowhere"}, "no camera"),
        ({"camera_id": "yard"}, "nothing of yard is recorded"),
        ({"end_time": fine["start_time"]}, "more than nothing"),
        ({"start_time": rfc3339(now_ns - 7200 * SECOND_NS)}, "at most an hour"),
        ({"end_time": rfc3339(now_ns + 600 * SECOND_NS)}, "not recorded yet"),
        ({"stream": "third"}, "makes no sense"),
        ({"camera_id": ["gate"]}, "makes no sense"),
        ({"start_time": "yesterday"}, "not a time"),
    ):
        await bench.take(hub.signed("fetch_clip", fine | change))
        assert bench.results()[-1]["state"] == "refused"
        assert words in bench.results()[-1]["message"]
    assert bench.rows("SELECT count(*) FROM outbox WHERE kind != 'command_result'") == [(0,)]
    assert bench.rows("SELECT count(*) FROM locks") == [(0,)]


async def test_an_alert_acknowledged_at_the_hub_is_acknowledged_here(bench, hub):
    await bench.take(hub.signed("acknowledge_alert", {"alert_id": "alert-1", "by": "anna", "note": "seen"}))
    ((status, body),) = bench.rows("SELECT status, body FROM alerts")
    assert status == "acknowledged" and json.loads(body)["acknowledged_by"] == "anna (hub)"
    assert json.loads(body)["notes"] == ["seen"]
    assert bench.rung[-1] > 0, "guards' screens hear of it"
    kinds = [kind for (kind,) in bench.rows("SELECT kind FROM outbox WHERE target_id = 'cloud'")]
    assert kinds == ["alert_update"]
    await bench.take(hub.signed("acknowledge_alert", {"alert_id": "alert-1", "by": "bob"}))
    assert bench.states() == ["done", "done"]
    assert json.loads(bench.rows("SELECT body FROM alerts")[0][0])["acknowledged_by"] == "anna (hub)"
    await bench.take(hub.signed("acknowledge_alert", {"alert_id": "alert-2", "by": "bob"}))
    assert bench.results()[-1]["state"] == "refused"


async def test_what_the_box_does_not_build_is_refused_in_words(bench, hub):
    bench.allow("update")
    await bench.take(hub.signed("update", {"version": "2", "sha256": "0" * 64}))
    assert bench.results()[-1] | {"message": ""} == {
        "command_id": "order-1", "state": "refused", "message": "", "result": {},
    }  # fmt: skip
    assert "not built" in bench.results()[-1]["message"]


async def test_a_hub_that_fails_is_asked_again_later_and_later(bench, hub):
    hub.script = [web.Response(status=503), web.Response(text="{"), web.Response(text='{"commands":[7,{}]}')]
    hub.order("ping")
    bench.start()
    await bench.until(lambda: bench.control.state.error)
    await bench.until(lambda: bench.states() == ["done"])
    assert bench.control.state.error is None
    assert [row["reason"] for row in bench.audit("refused")] == ["malformed", "malformed"]


async def test_a_heartbeat_that_says_so_ends_the_pause(bench, hub):
    hub.is_down = True
    bench.start()
    await bench.until(lambda: bench.control.state.error, tick_s=0)
    hub.is_down = False
    hub.order("ping")
    bench.control.wake()
    await bench.until(lambda: bench.states() == ["done"], tick_s=0)


async def test_a_box_that_left_its_hub_asks_it_no_more(bench, hub):
    from appliance.sync.enrol import leave

    bench.start()
    await bench.until(lambda: hub.polls)
    assert await bench.db.write(leave)
    bench.control.reload()
    await bench.run_for(5)
    before = len(hub.polls)
    await bench.run_for(120)
    assert len(hub.polls) == before
    await bench.take(hub.signed("ping"))
    assert bench.audit("refused")[-1]["reason"] == "no_hub"


async def test_old_orders_are_forgotten_but_never_the_newest(bench, hub):
    for _ in range(3):
        await bench.take(hub.signed("ping"))
    late_ns = bench.clock.now_ns() + 40 * 86_400 * SECOND_NS
    assert bench.db.write_now(lambda conn: commands.prune(conn, late_ns)) == 2
    assert bench.rows("SELECT seq FROM commands") == [(3,)]
