"""The queue to the rules: bounded, and honest about what it drops."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from appliance.base.model import Box, TrackPoint
from appliance.vision.host.points import PointQueue


def point(number, phase):
    return TrackPoint("yard", "t", number, "person", 0.9, Box(0, 0, 1, 1), phase)


@given(st.lists(st.lists(st.sampled_from(["start", "update", "end"]), max_size=30), max_size=20))
async def test_starts_and_ends_are_never_dropped(batches):
    queue = PointQueue(bound=10)
    sent = []
    for phases in batches:
        batch = [point(len(sent) + n, phase) for n, phase in enumerate(phases)]
        sent += batch
        queue.offer(batch)
        assert len(queue) <= max(10, sum(p.phase != "update" for p in sent))
    taken = await queue.take() if len(queue) else []
    assert [p for p in taken if p.phase != "update"] == [p for p in sent if p.phase != "update"]
    assert [p.time_ns for p in taken] == sorted(p.time_ns for p in taken)
    assert len(taken) + queue.dropped == len(sent)


async def test_take_waits_for_news():
    queue = PointQueue()
    taking = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.offer([])
    queue.offer([point(1, "start")])
    assert [p.time_ns for p in await taking] == [1]
