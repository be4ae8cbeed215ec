import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base import clock as clocks
from appliance.base.clock import SECOND_NS, SLEW_PPM, BoxClock, ManualClock, parse_rfc3339, rfc3339
from appliance.base.errors import ApplianceError


class System:
    """The two clocks under the box clock, moved by hand."""

    def __init__(self):
        self.mono_ns, self.wall_ns = 5 * SECOND_NS, 1_768_919_400 * SECOND_NS

    def pass_s(self, seconds: float, drift_ns: int = 0) -> None:
        self.mono_ns += round(seconds * SECOND_NS)
        self.wall_ns += round(seconds * SECOND_NS) + drift_ns


@pytest.fixture
def system(monkeypatch):
    found = System()
    monkeypatch.setattr(clocks.time, "time_ns", lambda: found.wall_ns)
    monkeypatch.setattr(clocks.time, "monotonic_ns", lambda: found.mono_ns)
    return found


def test_a_small_correction_is_slewed_and_never_a_jump(system):
    box = BoxClock()
    system.pass_s(1, drift_ns=200 * clocks.MS_NS)
    assert box.poll() == 0
    assert system.wall_ns - box.now_ns() == 200 * clocks.MS_NS - SECOND_NS * SLEW_PPM // 1_000_000
    for _ in range(500):
        system.pass_s(1)
        assert box.poll() == 0
    assert box.now_ns() == system.wall_ns


@pytest.mark.parametrize("step_ns", [SECOND_NS, -SECOND_NS, 3600 * SECOND_NS])
def test_a_step_is_taken_at_once_and_told(system, step_ns):
    box = BoxClock()
    system.pass_s(1, drift_ns=step_ns)
    assert box.poll() == step_ns
    assert box.now_ns() == system.wall_ns


@given(
    st.lists(
        st.tuples(st.floats(0.001, 10), st.integers(-clocks.STEP_NS // 4, clocks.STEP_NS // 4)), max_size=30
    )
)
def test_without_steps_the_box_clock_never_goes_back(moves):
    system = System()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clocks.time, "time_ns", lambda: system.wall_ns)
        patch.setattr(clocks.time, "monotonic_ns", lambda: system.mono_ns)
        box = BoxClock()
        before_ns = box.now_ns()
        for seconds, drift_ns in moves:
            system.pass_s(seconds, drift_ns)
            stepped = box.poll() != 0
            now_ns = box.now_ns()
            assert stepped or now_ns > before_ns
            before_ns = now_ns


@given(st.integers(0, 4_000_000_000_000))
def test_times_survive_their_text(ms):
    assert parse_rfc3339(rfc3339(ms * clocks.MS_NS)) == ms * clocks.MS_NS


def test_times_are_rounded_down_and_offsets_understood():
    assert rfc3339(1_768_919_400_123_999_999) == "2026-01-20T14:30:00.123Z"
    assert parse_rfc3339("2026-01-20T15:30:00+01:00") == 1_768_919_400 * SECOND_NS


@pytest.mark.parametrize(
    "text", ["", "now", "2026-01-20", "2026-01-20T14:30:00", "2026-13-01T00:00:00Z", "1768919400"]
)
def test_what_is_no_time_is_refused_by_name(text):
    with pytest.raises(ApplianceError) as refused:
        parse_rfc3339(text, "start_time")
    assert (refused.value.kind, refused.value.field) == ("invalid", "start_time")


async def test_the_manual_clock_wakes_sleepers_in_order():
    clock, woke = ManualClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woke.append((seconds, clock.monotonic_ns() / SECOND_NS))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2.5)]
    await asyncio.sleep(0)
    await clock.advance(2)
    assert woke == [(1, 1)]
    await clock.advance(2)
    assert [seconds for seconds, _ in woke] == [1, 2.5, 3]
    await asyncio.gather(*tasks)


def test_the_real_clock_is_near_the_system_s():
    assert abs(BoxClock().now_ns() - time.time_ns()) < SECOND_NS
