"""What a viewer gets: parameters, then a key frame, then everything once, and never too much."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.media.fragment import AUDIO_TRACK, VIDEO_TRACK, Fragment, StreamInit
from appliance.media.record.live import VIEWER_BYTES, LiveHub

INIT = StreamInit("gate", "main", "run", "h264", "video/mp4", b"init", b"config", 16, 16, 0)


def picture(number: int, gop: int = 10, size: int = 100) -> Fragment:
    body = number.to_bytes(4, "big") + bytes(size)
    return Fragment(VIDEO_TRACK, b"", body, number * 66_666_667, number * 6000, number % gop == 0)


def number_of(fragment: Fragment) -> int:
    return int.from_bytes(fragment.body[:4], "big")


async def taken(viewer) -> list[StreamInit | int]:
    """All that waits for the viewer."""
    await asyncio.sleep(0)
    out: list[StreamInit | int] = []
    while viewer._queue:
        item = await viewer.next()
        out.append(number_of(item) if isinstance(item, Fragment) else item)
    return out


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(0, 60), st.integers(1, 20))
def test_who_joins_midway_misses_nothing_and_sees_nothing_twice(gop, before, after) -> None:
    async def run() -> None:
        hub = LiveHub(asyncio.get_running_loop())
        fan = hub.fan("gate", "main")
        fan.started(INIT)
        fan.viewers = [hub.open("gate", "main")]  # somebody watches: deliveries are on their way
        first = fan.viewers[0]
        for number in range(before):
            fan.put(picture(number, gop))
        viewer = hub.open("gate", "main")  # joins while the loop still owes the last deliveries
        for number in range(before, before + after):
            fan.put(picture(number, gop))
        got = await taken(viewer)
        start = max(0, before - 1) // gop * gop if before else 0
        assert got == [INIT, *range(start, before + after)]
        assert (await taken(first))[:1] == [INIT]

    asyncio.run(run())


async def test_a_viewer_that_sleeps_skips_to_a_key_frame_and_is_bounded() -> None:
    hub = LiveHub(asyncio.get_running_loop())
    fan = hub.fan("gate", "main")
    viewer = hub.open("gate", "main")
    fan.started(INIT)
    for number in range(380):
        fan.put(picture(number, 15, 40_000))
        await asyncio.sleep(0)
        waiting = [item for item in viewer._queue if isinstance(item, Fragment)]
        assert sum(len(item.body) for item in waiting) <= VIEWER_BYTES
        assert len(waiting) <= 45
    got = await taken(viewer)
    assert got[0] == INIT
    numbers = got[1:]
    assert numbers[0] % 15 == 0
    assert numbers == list(range(numbers[0], 380))
    assert viewer.skipped == 380 - len(numbers)
    assert viewer.skipped > 0


async def test_skip_to_key_on_demand() -> None:
    hub = LiveHub(asyncio.get_running_loop())
    fan = hub.fan("gate", "main")
    viewer = hub.open("gate", "main")
    fan.started(INIT)
    for number in range(5):
        fan.put(picture(number))
    await asyncio.sleep(0)
    viewer.skip_to_key()
    for number in range(5, 13):
        fan.put(picture(number))
    assert await taken(viewer) == [INIT, 10, 11, 12]
    assert viewer.skipped == 10


async def test_new_parameters_come_before_their_key_frame() -> None:
    hub = LiveHub(asyncio.get_running_loop())
    fan = hub.fan("gate", "main")
    viewer = hub.open("gate", "main")
    fan.started(INIT)
    fan.put(picture(0))
    fan.put(Fragment(AUDIO_TRACK, b"", b"sound", 0, 0, True))
    fan.ended()
    other = StreamInit("gate", "main", "run2", "h264", "video/mp4", b"other", b"config", 32, 32, 0)
    fan.started(other)
    fan.put(picture(10))
    assert await taken(viewer) == [INIT, 0, other, 10]
    assert await taken(hub.open("gate", "main")) == [other, 10]


async def test_a_gop_without_end_does_not_fill_the_memory() -> None:
    hub = LiveHub(asyncio.get_running_loop())
    fan = hub.fan("gate", "main")
    fan.started(INIT)
    for number in range(1, 200):
        fan.put(picture(number, 1000, 200_000))
    assert sum(len(item.body) for _, item in fan._gop[0]) <= 17_000_000
    viewer = hub.open("gate", "main")
    assert await taken(viewer) == [INIT]  # no key frame, nothing to begin with
    fan.put(picture(200, 1000))
    fan.put(picture(1000, 1000))
    assert await taken(viewer) == [1000]


async def test_sub_falls_back_and_removal_ends() -> None:
    hub = LiveHub(asyncio.get_running_loop())
    with pytest.raises(ApplianceError) as caught:
        hub.open("gate", "main")
    assert caught.value.kind == "not_found"
    fan = hub.fan("gate", "main")
    fan.started(INIT)
    viewer = hub.open("gate", "sub")
    assert hub.viewers() == 1
    waiting = asyncio.ensure_future(viewer.next())
    assert await waiting == INIT
    waiting = asyncio.ensure_future(viewer.next())
    await asyncio.sleep(0)
    hub.remove("gate", "main")
    assert await waiting is None
    viewer.close()
