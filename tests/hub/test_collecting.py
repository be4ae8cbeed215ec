"""A full look for garbage comes by the clock, and never in between."""

import asyncio
import gc

import pytest

from appliance.base.clock import ManualClock
from appliance.hub.collecting import EVERY_S, NEVER, collect_seldom


class Ring:
    """Garbage that no reference count finds."""

    gone = 0

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        Ring.gone += 1


@pytest.fixture
async def collecting():
    before, Ring.gone = gc.get_threshold(), 0
    clock = ManualClock()
    task = asyncio.create_task(collect_seldom(clock))
    await asyncio.sleep(0)
    yield clock
    task.cancel()
    gc.set_threshold(*before)
    gc.unfreeze()


def old_ring() -> None:
    ring = Ring()
    gc.collect()  # it is of the oldest generation now
    del ring


async def test_old_garbage_waits_for_its_time(collecting) -> None:
    old_ring()
    assert gc.get_threshold()[2] == NEVER
    full = gc.get_stats()[2]["collections"]
    kept = [[number] for number in range(400_000)]  # with the usual thresholds: a full look or two
    assert len(kept) == 400_000 and gc.get_stats()[2]["collections"] == full
    await collecting.advance(EVERY_S - 1, EVERY_S)
    assert Ring.gone == 0
    await collecting.advance(2)
    assert Ring.gone == 1


async def test_young_garbage_does_not_wait(collecting) -> None:
    for _ in range(3):
        Ring()
    kept = [[number] for number in range(20_000)]
    assert kept and Ring.gone == 3
