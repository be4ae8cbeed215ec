import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.simulator.encoder import SceneSource
from appliance.simulator.sample import Sample
from appliance.simulator.sei import read_sei, sei_unit
from appliance.simulator.spec import parse_spec


@given(st.sampled_from(["h264", "h265"]), st.integers(0, 2**44), st.integers(0, 2**40))
def test_numbers_come_back_and_no_start_code_is_made(codec: str, time_ms: int, counter: int) -> None:
    unit = sei_unit(codec, time_ms, counter)
    assert read_sei(unit) == (time_ms, counter)
    assert not any(bytes((0, 0, n)) in unit for n in range(3))


def test_other_units_are_none_of_ours() -> None:
    assert read_sei(b"\x65" + bytes(40)) is None
    assert read_sei(sei_unit("h264", 1, 2)[:20]) is None


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_every_picture_of_a_scene_is_numbered_over_all_runs(eager_clock: Any, codec: str) -> None:
    source = SceneSource(parse_spec(f"x?size=128x64&sei=1&codec={codec}"), eager_clock, lambda: 0)
    numbers: list[int] = []
    keys: list[bool] = []

    def sink(sample: Sample) -> None:
        (found,) = [read for unit in sample.units if (read := read_sei(unit))]
        numbers.append(found[1])
        keys.append(sample.is_key)
        if len(numbers) % 5 == 0:
            run.cancel()

    for _ in range(8):  # stopped and started at once, as a client that reconnects does it
        run = asyncio.create_task(source.run(sink))
        await asyncio.gather(run, return_exceptions=True)
    assert numbers == list(range(40))
    assert [number for number, key in zip(numbers, keys, strict=True) if key] == list(range(0, 40, 5))
