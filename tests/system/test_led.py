"""A folder stands for sysfs; time is told."""

import asyncio
import itertools
from pathlib import Path

import pytest

from appliance.system.led import PATTERNS, Output, blink


@pytest.fixture
def lamp(tmp_path) -> Path:
    for name, text in (("brightness", "0"), ("max_brightness", "255\n"), ("trigger", "[mmc0] none timer")):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_an_led_is_switched_by_its_brightness_and_by_nobody_else(lamp):
    output = Output(lamp)
    assert (lamp / "trigger").read_text() == "none"
    output.switch(on=True)
    assert (lamp / "brightness").read_text() == "255"
    output.switch(on=False)
    assert (lamp / "brightness").read_text() == "0"


def test_a_gpio_line_has_a_value(tmp_path):
    (tmp_path / "value").write_text("0")
    Output(tmp_path).switch(on=True)
    assert (tmp_path / "value").read_text() == "1"


async def shown(state, clock, lamp) -> list[tuple[bool, float]]:
    """(lit, seconds) as somebody who looks every 50 ms sees it, until the pattern is over."""
    turn = asyncio.create_task(blink(Output(lamp), state, clock))
    seen = []
    while not turn.done():
        await clock.advance(0.05, 0.05)
        seen.append((lamp / "brightness").read_text() != "0")
    return [(lit, round(len(list(looks)) * 0.05, 2)) for lit, looks in itertools.groupby(seen)]


@pytest.mark.parametrize("state", PATTERNS)
async def test_each_state_blinks_in_its_own_way_and_none_stands_still(state, clock, lamp):
    seen = await shown(state, clock, lamp)
    assert {lit for lit, _ in seen} == {True, False}  # what does not change says: nobody is here
    lit_s = sum(seconds for lit, seconds in seen if lit)
    assert sum(seconds for _, seconds in seen) == pytest.approx(2.1, abs=0.15)
    expected = {"starting": 0.1, "ready": 1.9, "degraded": 1.0, "failing": 1.05}[state]
    assert lit_s == pytest.approx(expected, abs=0.1)
    assert len(seen) == (14 if state == "failing" else 2)
