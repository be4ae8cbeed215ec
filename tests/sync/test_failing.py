"""What the sender says of a target that takes nothing: since when, whether it answers, whether it said no."""

import msgspec
import pytest

from appliance.store import parked


def state(bench):
    return bench.sync.states()["cloud"]


async def failed_once(bench, cloud, how: str) -> None:
    cloud.script = [how]
    bench.owe(1)
    bench.start()
    await bench.until(lambda: "cloud" in bench.sync.states() and state(bench).error is not None)


@pytest.mark.parametrize(
    ("how", "words", "answered", "refused"),
    [
        ("status:401", "does not accept this box's token, HTTP 401", True, True),
        ("status:503", "is there, but in trouble itself, HTTP 503", True, False),
        ("garbage:<html>", "takes no deliveries", True, False),
    ],
)
async def test_it_is_said_what_is_wrong_and_since_when(bench, cloud, how, words, answered, refused):
    began_ns = bench.clock.now_ns()
    await failed_once(bench, cloud, how)
    now = state(bench)
    assert words in now.error and (now.answered, now.refused) == (answered, refused)
    assert began_ns <= now.failing_ns <= bench.clock.now_ns()
    kept = "SELECT last_error FROM outbox"
    assert bench.db.read_now(lambda c: c.execute(kept).fetchone()[0]) == now.error  # the same words


async def test_the_beginning_stays_until_something_was_delivered(bench, cloud):
    await failed_once(bench, cloud, "status:503")
    first = state(bench).failing_ns
    cloud.script = ["status:503"] * 3
    await bench.until(lambda: not cloud.script, tick_s=0.5)
    await bench.settled()
    assert state(bench).failing_ns == first < bench.clock.now_ns()
    await bench.until(lambda: bench.figures().acknowledged == 1, tick_s=0.5)
    # The database has it a moment before the sender says so.
    await bench.until(lambda: state(bench).error is None)
    now = state(bench)
    assert (now.failing_ns, now.answered, now.refused, now.error) == (None, False, False, None)


async def test_nobody_there_has_not_answered(bench, cloud):
    bench.put(url="https://127.0.0.1:1/in")
    bench.owe(1)
    bench.start()
    await bench.settled()
    now = state(bench)
    assert "nothing listens" in now.error and not now.answered and not now.refused


async def test_what_a_person_sends_again_does_not_wait_for_the_end_of_a_pause(bench, cloud):
    await failed_once(bench, cloud, "status:401")
    await bench.until(lambda: bench.figures().parked == 1)
    (row,), _, _ = bench.db.read_now(lambda c: parked.page(c, "cloud", 10, None))
    assert msgspec.json.decode(row.body) == {"n": row.id} and "HTTP 401" in row.error
    bench.db.write_now(lambda c: parked.unpark(c, "cloud", row.id))
    bench.wake()
    bench.sync.reload()
    await bench.until(lambda: bench.figures().acknowledged == 1)  # no time passes
