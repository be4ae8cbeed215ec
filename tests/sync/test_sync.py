"""Every row arrives, once in effect, in order, however the target behaves."""

import hashlib
import random

import msgspec
import pytest

from appliance.base.clock import rfc3339
from appliance.store import outbox, targets, tombstones
from appliance.store.owed_files import owed_file
from appliance.store.policy import Policy
from appliance.sync.keeping import keep


async def test_a_batch_looks_as_the_contract_says(bench, cloud):
    ids = bench.owe(3)
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == 3)
    headers, body = cloud.requests[0]
    assert headers["Authorization"] == "Bearer a-token-of-the-test"
    assert headers["Idempotency-Key"] == hashlib.sha256("\n".join(ids).encode()).hexdigest()
    assert headers["Content-Type"].startswith("application/json")
    assert body["device_id"] == "box-1"
    assert [row["id"] for row in body["batch"]] == ids
    assert body["batch"][0] == {
        "id": ids[0],
        "kind": "event",
        "created_at": rfc3339(bench.clock.now_ns()),
        "body": {"n": ids[0]},
    }


async def test_batches_grow_from_100_to_400_and_go_on_without_a_pause(bench, cloud):
    ids = bench.owe(3_500)
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == 3_500)
    assert [len(body["batch"]) for _, body in cloud.requests] == [100, 200, *[400] * 8]
    assert cloud.effects == ids


async def test_new_rows_wake_the_sender(bench, cloud):
    bench.start()
    await bench.until(lambda: bool(bench.sync.states()))
    (id_,) = bench.owe(1)
    await bench.until(lambda: cloud.effects == [id_])
    await bench.until(lambda: bench.sync.states()["cloud"].delivered_ns is not None)


async def test_an_empty_answer_acknowledges_all(bench, cloud):
    cloud.script = ["empty"]
    bench.owe(5)
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == 5)


@pytest.mark.parametrize(
    "trouble",
    ["status:500", "status:503", "status:408", "status:429", "status:302", "lost", "cut", "garbage",
     "garbage:[]", 'garbage:{"acknowledged": 7}', 'garbage:{"ok": true}', "huge", "none"],
)  # fmt: skip
async def test_trouble_keeps_the_batch_and_sends_the_same_again(bench, cloud, trouble):
    cloud.script = [trouble]
    ids = bench.owe(3)
    bench.start()
    await bench.settled()
    assert bench.figures().waiting == 3
    assert bench.sync.states()["cloud"].error
    bench.owe(1)
    for _ in range(50):
        await bench.until(lambda: True)
    assert len(cloud.requests) == 1, "a wake-up does not shorten the pause"
    await bench.until(lambda: bench.figures().acknowledged == 4, tick_s=0.05)
    assert len(cloud.effects) == 4 and set(ids) < set(cloud.effects)
    if trouble != "none":  # there the rows themselves rest, and newer ones go on
        assert cloud.effects[:3] == ids
        first, second = (headers["Idempotency-Key"] for headers, _ in cloud.requests[:2])
        assert first == second


async def test_a_new_alert_does_not_wait_for_the_end_of_a_pause_and_asks_once(bench, cloud):
    cloud.script = ["status:503,240", "status:503,240"]
    bench.owe(3)
    bench.start()
    await bench.until(lambda: len(cloud.requests) == 1)
    await bench.settled()
    (first,) = bench.owe(1, "alert")
    await bench.until(lambda: len(cloud.requests) == 2)
    assert [row["id"] for row in cloud.requests[1][1]["batch"]] == [first]
    bench.owe(2)
    for _ in range(50):
        await bench.turn(0)
    assert len(cloud.requests) == 2, "one that was told to come back waits, and so does what is not urgent"
    (second,) = bench.owe(1, "alert")
    await bench.until(lambda: second in cloud.effects)
    began_ns = bench.clock.monotonic_ns()
    await bench.until(lambda: bench.figures().acknowledged == 7, tick_s=0.05)
    assert bench.clock.monotonic_ns() - began_ns < 10e9, "it is well again, and nobody rests any longer"


async def test_silence_ends_with_the_timeout(bench, cloud):
    cloud.script = ["slow"]
    ids = bench.owe(2)
    bench.start(timeout_s=0.2)
    await bench.settled()
    assert "no answer" in bench.sync.states()["cloud"].error
    await bench.until(lambda: bench.figures().acknowledged == 2, tick_s=0.05)
    assert cloud.effects == ids


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
async def test_other_4xx_park_and_mending_the_target_sends_again(bench, cloud, status):
    # Of who asks and where: at once. Of what may be one row: that is found out first.
    tries = 1 if status in (401, 403, 404) else 4
    cloud.script = [f"status:{status}"] * tries
    bench.owe(3)
    bench.start()
    await bench.until(lambda: bench.figures().parked == 3, tick_s=0.05)
    assert len(cloud.requests) == tries
    await bench.until(lambda: bench.figures().in_flight == 0)
    bench.put(url=cloud.url + "?again=1")
    await bench.until(lambda: bench.figures().acknowledged == 3)


@pytest.mark.parametrize("places", [{0}, {57}, {99}, {100}, {149}, {57, 58}, {3, 140}])
async def test_only_the_rows_that_a_target_cannot_digest_are_parked(bench, cloud, places):
    ids = bench.owe(150)
    cloud.poison = {ids[place] for place in places}
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == 150 - len(places), tick_s=0.05)
    await bench.until(lambda: bench.figures().in_flight == bench.figures().waiting == 0, tick_s=0.05)
    assert bench.figures().parked == len(places) and bench.figures().owed == 150
    assert cloud.effects == [id_ for id_ in ids if id_ not in cloud.poison], "the others keep their order"
    assert len(cloud.requests) <= 3 + 28 * len(places)  # at most 7 times down, each from half as high
    cloud.poison = set()
    bench.put(url=cloud.url + "?again=1")
    await bench.until(lambda: bench.figures().acknowledged == 150)


async def test_a_target_that_refuses_everything_costs_a_few_requests_per_batch(bench, cloud):
    ids = bench.owe(250)
    cloud.poison = set(ids)
    bench.start()
    await bench.until(lambda: bench.figures().parked == 250, tick_s=0.2)
    sizes = [len(body["batch"]) for _, body in cloud.requests]
    assert sizes == [100, 50, 25, 12, 6, 3, 1, 1, 1, 100, 100, 47]
    (new,) = bench.owe(1)
    await bench.until(lambda: new in cloud.effects, tick_s=0.2)


async def test_a_kill_while_halves_are_tried_loses_and_doubles_nothing(bench, cloud):
    ids = bench.owe(40)
    cloud.poison = {ids[17]}
    for life in range(1, 15):  # a life of so many requests; each new one begins to look anew
        enough = len(cloud.requests) + life
        bench.start()
        for _ in range(100):
            if len(cloud.requests) >= enough:
                break
            await bench.turn(1.0)
        await bench.kill()
        f = bench.figures()
        assert f.owed == 40 == f.acknowledged + f.waiting + f.in_flight + f.parked
    assert bench.figures().acknowledged == 39 and bench.figures().parked == 1
    assert cloud.effects == [id_ for id_ in ids if id_ not in cloud.poison]


async def test_what_was_not_acknowledged_waits_longer_each_time_and_the_rest_goes_on(bench, cloud):
    cloud.script = ["half"]
    ids = bench.owe(4)
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == 2)
    assert bench.figures().waiting == 2
    (new,) = bench.owe(1)
    await bench.until(lambda: new in cloud.effects, tick_s=0.05)
    assert ids[1] not in cloud.effects
    await bench.until(lambda: bench.figures().acknowledged == 5, tick_s=0.05)
    assert sorted(cloud.effects) == sorted([*ids, new])


async def test_the_pauses_grow_from_a_second_to_five_minutes_and_start_anew_after_success(bench, cloud):
    cloud.script = ["status:500"] * 14
    bench.owe(1)
    bench.start()
    pauses = []
    for number in range(14):
        await bench.until(lambda n=number: len(cloud.requests) == n + 1)
        await bench.until(lambda: bench.sync.states()["cloud"].next_attempt_ns != pauses_end(pauses))
        due_ns = bench.sync.states()["cloud"].next_attempt_ns
        for _ in range(3):
            await bench.turn(0)  # let it begin to wait, before time passes
        pauses.append((due_ns, (due_ns - bench.clock.now_ns()) / 1e9))
        bench.clock.tick(pauses[-1][1] + 0.001)
    seconds = [pause for _, pause in pauses]
    for number, pause in enumerate(seconds):
        wanted = min(300, 2**number if number < 4 else max(60, 2**number))
        assert 0.8 * wanted <= pause <= min(300, 1.2 * wanted)
    await bench.until(lambda: bench.figures().acknowledged == 1)
    cloud.script = ["status:500"]
    bench.owe(1)
    await bench.until(lambda: len(cloud.requests) == 16, tick_s=0.05)
    await bench.settled()
    due_ns = bench.sync.states()["cloud"].next_attempt_ns
    assert (due_ns - bench.clock.now_ns()) / 1e9 <= 1.2


def pauses_end(pauses) -> int | None:
    return pauses[-1][0] if pauses else None


@pytest.mark.parametrize(
    ("wish", "least_s", "most_s"), [("120", 120, 120), ("99999", 300, 300), ("-3", 0, 1.2)]
)
async def test_retry_after_is_honoured_up_to_five_minutes(bench, cloud, wish, least_s, most_s):
    cloud.script = [f"status:429,{wish}"]
    bench.owe(1)
    bench.start()
    await bench.settled()
    pause_s = (bench.sync.states()["cloud"].next_attempt_ns - bench.clock.now_ns()) / 1e9
    assert least_s <= pause_s <= most_s


async def test_a_certificate_of_strangers_is_not_believed(bench, cloud):
    bench.put(ca=None)
    bench.owe(1)
    bench.start()
    await bench.settled()
    assert cloud.requests == [] and bench.figures().waiting == 1
    assert "certificate" in bench.sync.states()["cloud"].error.lower()
    bench.put()
    await bench.until(lambda: bench.figures().acknowledged == 1)


async def test_a_token_that_cannot_be_opened_stops_one_target_only(bench, cloud):
    broken = targets.Target("broken", cloud.url, ca=bench.ca)
    bench.db.write_now(lambda c: targets.put(c, broken, b"sealed with another key than ours"))
    bench.owe(1)
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == 1)
    assert "opened" in bench.sync.states()["broken"].error


async def test_a_target_switched_off_is_left_alone_and_goes_on_when_switched_on(bench, cloud):
    bench.start()
    await bench.until(lambda: bool(bench.sync.states()))
    cloud.script = ["slow"]
    bench.owe(2)
    await cloud.arrived.wait()
    bench.put(enabled=False)
    await bench.until(lambda: bench.figures().waiting == 2 and not bench.sync.states())
    bench.put()
    await bench.until(lambda: bench.figures().acknowledged == 2)


async def test_a_tombstone_is_delivered_as_such(bench, cloud):
    (id_,) = bench.owe(1)
    now_ns = bench.clock.now_ns()
    bench.db.write_now(lambda c: tombstones.entomb(c, now_ns + 1, "expired"))
    bench.start()
    await bench.until(lambda: bench.figures().tombstoned == 1)
    row = cloud.bodies[id_]
    assert (row["kind"], row["body"]) == ("tombstone", {"kind": "event", "reason": "expired"})


@pytest.mark.parametrize("seed", range(4))
async def test_chaos_loses_nothing_doubles_nothing_and_keeps_the_order(bench, cloud, seed):
    dice = random.Random(seed)
    troubles = ["status:500", "lost", "cut", "garbage", "status:429,2", "half", "ok", "empty", "none"]
    ids: list[str] = []
    for _ in range(12):
        ids += bench.owe(dice.randrange(1, 60))
        cloud.script += dice.choices(troubles, k=2)
        bench.start()
        want = dice.randrange(0, 4) + len(cloud.requests)
        await bench.until(
            lambda want=want: len(cloud.requests) >= want or bench.figures().acknowledged == bench.made,
            tick_s=0.2,
        )
        await bench.kill()
        figures = bench.figures()
        assert figures.owed == len(ids) == figures.acknowledged + figures.waiting + figures.in_flight
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == len(ids), tick_s=3)
    assert sorted(cloud.effects) == sorted(ids), "each id has its effect, and once"
    sent_first = list(dict.fromkeys(row["id"] for _, body in cloud.requests for row in body["batch"]))
    assert sent_first == ids, "first deliveries keep the order of the rows"


async def test_the_token_is_in_no_log_and_no_error(bench, cloud, caplog):
    cloud.script = ["status:401", "garbage", "lost"]
    bench.owe(1)
    bench.start()
    await bench.settled()
    assert "a-token-of-the-test" not in caplog.text + str(bench.sync.states())


@pytest.mark.parametrize("step_s", [-86_400, 86_400 * 365, -86_400 * 365 * 20])
async def test_a_clock_that_is_stepped_while_rows_wait_and_rest_loses_and_delays_nothing(
    bench, cloud, step_s
):
    cloud.script = ["half", "status:503"]
    ids = bench.owe(6)
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == 3)
    bench.clock.set_ns(bench.clock.now_ns() + step_s * 10**9)
    ids += bench.owe(2)
    await bench.until(lambda: bench.figures().acknowledged == 8, tick_s=0.05)
    assert sorted(cloud.effects) == sorted(ids)
    assert bench.clock.monotonic_ns() < 60 * 10**9


async def test_when_the_link_is_back_nobody_waits_for_the_pause_to_end(bench, cloud):
    cloud.script = ["status:500"] * 6
    bench.owe(1)
    bench.start()
    await bench.until(lambda: any(s.breaker == "open" for s in bench.sync.states().values()), tick_s=0.05)
    cloud.script = []
    began_ns = bench.clock.monotonic_ns()
    bench.sync.retry_now()
    await bench.until(lambda: bench.figures().acknowledged == 1, tick_s=0.001)
    assert bench.clock.monotonic_ns() - began_ns < 10 * 10**9


async def test_over_its_quota_the_oldest_of_the_lowest_lane_become_tombstones(bench, cloud):
    policy = Policy(quota_bytes=400)
    bench.put(policy=policy, enabled=False)

    def work(conn) -> None:
        for n in range(10):
            for kind in ("alert", "metrics"):
                outbox.enqueue(conn, ["cloud"], f"{kind}{n}", kind, b'{"n":%30d}' % n, n)

    bench.db.write_now(work)
    assert await keep(bench.db, bench.clock) > 0
    rows = {row.id: row for row in bench.db.write_now(lambda c: outbox.take(c, "cloud", 99, 0))}
    assert all(rows[f"metrics{n}"].is_tombstone for n in range(10)), "the lowest lane first"
    buried = [n for n in range(10) if rows[f"alert{n}"].is_tombstone]
    assert buried == list(range(len(buried))), "the oldest first"
    assert b"quota" in rows["metrics0"].body


async def test_a_target_that_became_one_without_files_is_told_what_it_does_not_get(bench, cloud):
    body = msgspec.json.encode(owed_file("e", "gate", 0, 10**9))
    bench.db.write_now(lambda c: outbox.enqueue(c, ["cloud"], "clip", "clip", body, 0))
    bench.start()
    await bench.until(lambda: bench.figures().tombstoned == 1, tick_s=1)
    assert cloud.bodies["clip"]["body"] == {"kind": "clip", "reason": "it takes no files"}
