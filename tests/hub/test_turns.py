"""Whose turn it is: the urgent first, a bounded line for the rest, and nobody's turn is ever lost."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.http_errors import HttpError
from appliance.hub import turns
from appliance.hub.turns import AT_ONCE, DEFAULT_URGENCY, URGENT_MORE, Turns, urgency

ODD = ("", "u=9", "u=-1", "xu=0", "u=0" + "x" * 5_000)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("u=0", 0), ("u=7, i", 7), ("i, u=2", 2), ("i,u=1;x", 1), *((odd, DEFAULT_URGENCY) for odd in ODD)],
)  # fmt: skip
def test_how_urgent_a_batch_is_is_said_as_rfc_9218_says_it(header, expected) -> None:
    assert urgency(header) == expected


async def test_the_urgent_go_before_all_who_came_earlier() -> None:
    line, done, free = Turns(), [], asyncio.Event()

    async def one(name: str, urgent: bool) -> None:
        async with line.turn(100, urgent):
            done.append(name)
            await free.wait()

    tasks = [asyncio.create_task(one(f"first-{n}", False)) for n in range(AT_ONCE + 3)]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(one(f"urgent-{n}", True)) for n in range(URGENT_MORE + 1)]
    await asyncio.sleep(0)
    assert done == [f"first-{n}" for n in range(AT_ONCE)] + [f"urgent-{n}" for n in range(URGENT_MORE)]
    free.set()
    await asyncio.gather(*tasks)
    assert done[AT_ONCE + URGENT_MORE] == f"urgent-{URGENT_MORE}"
    assert len(done) == len(tasks)


async def test_who_would_wait_too_long_is_told_when_to_come_and_the_urgent_are_not(monkeypatch) -> None:
    line, free = Turns(), asyncio.Event()
    monkeypatch.setattr(turns, "LONGEST_WAIT_S", 0.1)

    async def one(urgent: bool) -> None:
        async with line.turn(100, urgent):
            await free.wait()

    async def turned_away(urgent: bool, size_bytes: int = 100) -> HttpError:
        with pytest.raises(HttpError) as refused:
            async with line.turn(size_bytes, urgent):
                pass
        assert refused.value.status == 503
        return refused.value

    tasks = [asyncio.create_task(one(False)) for _ in range(AT_ONCE + 20)]
    await asyncio.sleep(0)
    line._turn_s = 5.0
    waits = {int((await turned_away(False)).headers["Retry-After"]) for _ in range(30)}
    assert len(waits) > 5 and min(waits) >= 1 and max(waits) <= turns.LONGEST_AWAY_S
    tasks.append(asyncio.create_task(one(True)))
    await asyncio.sleep(0)
    assert line._busy == AT_ONCE + 1
    await turned_away(True, turns.MOST_BYTES)  # memory is nobody's
    free.set()
    await asyncio.gather(*tasks)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["stays", "leaves", "breaks"])), max_size=60),
    st.randoms(),
)
def test_no_turn_is_lost_whoever_leaves(crowd, rng: random.Random) -> None:
    async def play() -> None:
        line, ran, most = Turns(), [], 0

        async def one(number: int, urgent: bool, how: str) -> None:
            nonlocal most
            async with line.turn(100, urgent):
                most = max(most, line._busy)
                await asyncio.sleep(0)
                ran.append(number)
                if how == "breaks":
                    raise RuntimeError("the database is away")

        tasks = [asyncio.create_task(one(number, *each)) for number, each in enumerate(crowd)]
        leaving = [task for task, (_, how) in zip(tasks, crowd, strict=True) if how == "leaves"]
        rng.shuffle(leaving)
        for task in leaving:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert {n for n, (_, how) in enumerate(crowd) if how != "leaves"} <= set(ran)
        assert most <= AT_ONCE + URGENT_MORE
        assert line._busy == 0 and line._bytes == 0 and line.wait_s == 0

    asyncio.run(play())
