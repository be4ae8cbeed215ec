import asyncio
import itertools
import logging

import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.base.supervision import BackOff, supervise


def test_pauses_double_to_a_minute_with_jitter():
    for plain, pause in zip([1, 2, 4, 8, 16, 32, 60, 60, 60], BackOff(), strict=False):
        assert 0.8 * plain <= pause <= 1.2 * plain
    back_off = BackOff()
    assert len({round(BackOff().next_s(), 6) for _ in range(20)}) > 10
    list(itertools.islice(back_off, 2000))  # no overflow after a month of failures
    back_off.reset()
    assert back_off.next_s() <= 1.2


async def run_for(seconds: float, run_once, clock, **more) -> None:
    task = asyncio.create_task(supervise("part", run_once, clock, **more))
    await asyncio.sleep(0)
    await clock.advance(seconds, step_s=0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_part_that_fails_is_started_again_later_and_later(clock):
    starts_s = []

    async def run_once() -> None:
        starts_s.append(clock.monotonic_ns() / SECOND_NS)
        raise OSError("no answer")

    await run_for(100, run_once, clock)
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts_s)]
    assert 6 <= len(starts_s) <= 8
    for number, pause in enumerate(pauses):
        assert 0.8 * 2**number <= pause <= 1.2 * min(60, 2**number) + 0.2


async def test_a_long_good_run_resets_the_pause(clock):
    starts_s = []

    async def run_once() -> None:
        starts_s.append(clock.monotonic_ns() / SECOND_NS)
        if len(starts_s) == 5:
            await clock.sleep(61)
        raise OSError("no answer")

    await run_for(120, run_once, clock)
    fifth, sixth = starts_s[4], starts_s[5]
    assert sixth - fifth < 61 + 1.5


async def test_a_run_that_simply_ends_resets_the_pause(clock):
    starts_s = []

    async def run_once() -> None:
        starts_s.append(clock.monotonic_ns() / SECOND_NS)
        if len(starts_s) < 5:
            raise OSError("no answer")

    await run_for(60, run_once, clock)
    assert starts_s[5] - starts_s[4] < 1.5


async def test_a_failure_is_logged_once_and_told_each_time(clock, caplog):
    told = []

    async def run_once() -> None:
        raise OSError("no answer")

    with caplog.at_level(logging.WARNING):
        await run_for(600, run_once, clock, on_failure=told.append)
    assert len(told) > 10
    assert [record.getMessage() for record in caplog.records] == [
        "part failed: OSError: no answer",
        "part failed 10 times more: OSError: no answer",
    ]


@pytest.mark.parametrize(
    ("error", "with_traceback"),
    [
        (ApplianceError("unavailable", "the database is away", "is it running?"), False),
        (ApplianceError("internal", "that cannot be", "look at the log"), True),
        (KeyError("x"), True),
    ],
)
async def test_what_is_only_away_is_one_line(clock, caplog, error, with_traceback):
    async def run_once() -> None:
        raise error

    with caplog.at_level(logging.WARNING):
        await run_for(3, run_once, clock)
    assert bool(caplog.records[0].exc_info) == with_traceback
    assert str(error) in caplog.text


async def test_cancelling_ends_it(clock):
    task = asyncio.create_task(supervise("part", lambda: clock.sleep(1e9), clock))
    await asyncio.sleep(0)
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
