import asyncio

import pytest

from appliance.base.clock import ManualClock
from appliance.sync.batch_size import BatchSize
from appliance.sync.breaker import Breaker


def test_five_failures_open_it_for_a_minute_and_then_one_attempt_decides(clock: ManualClock) -> None:
    breaker = Breaker(clock)
    for _ in range(4):
        assert breaker.failed() < 10 and breaker.state == "closed"
    assert 48 <= breaker.failed() <= 72 and breaker.state == "open"
    clock.tick(73)
    assert breaker.state == "half_open"
    assert breaker.failed() >= 48 and breaker.state == "open", "opened again"
    clock.tick(400)
    breaker.succeeded()
    assert breaker.state == "closed" and breaker.failed() <= 1.2, "and from the beginning"


def test_the_target_may_wish_for_longer_but_not_for_ever(clock: ManualClock) -> None:
    breaker = Breaker(clock)
    assert breaker.failed(100) == 100
    assert breaker.failed(10_000) == 300


def test_what_was_refused_was_answered(clock: ManualClock) -> None:
    breaker = Breaker(clock)
    for _ in range(20):
        breaker.failed(answered=True)
    assert breaker.state == "closed"


async def test_a_pause_ends_by_itself_or_when_the_link_is_back(clock: ManualClock) -> None:
    breaker = Breaker(clock)
    await breaker.pause()  # there is none
    breaker.failed(100)
    waiting = asyncio.create_task(breaker.pause())
    await clock.advance(99)
    assert not waiting.done()
    await clock.advance(2)
    assert waiting.done()
    breaker.failed(100)
    waiting = asyncio.create_task(breaker.pause())
    await clock.advance(1)
    breaker.nudge()
    await asyncio.wait_for(waiting, 1)


def test_a_clock_set_back_or_forward_does_not_change_the_pause(clock: ManualClock) -> None:
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.failed()
    clock.set_ns(clock.now_ns() + 10**18)
    assert breaker.state == "open"
    clock.set_ns(0)
    clock.tick(100)
    assert breaker.state == "half_open"


def test_batches_grow_to_what_goes_in_a_second_and_shrink_to_it() -> None:
    size = BatchSize()
    assert size.rows == 100
    for _ in range(10):
        size.succeeded(size.rows, size.rows * 300, 0.1)
    assert size.rows == 400
    size.succeeded(400, 300_000, 40.0)  # 7.5 kB/s: a thin link
    assert size.size_bytes == 7_500
    for _ in range(3):
        size.failed()
    assert size.rows == 100


@pytest.mark.parametrize("most", [1, 10, 256])
def test_a_target_may_take_fewer(most: int) -> None:
    size = BatchSize(most)
    for _ in range(10):
        size.succeeded(size.rows, 1_000, 0.1)
    assert size.rows == most
    for _ in range(10):
        size.failed()
    assert 1 <= size.rows <= most
