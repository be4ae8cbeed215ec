from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import BoxClock
from appliance.simulator.encoder import SceneSource
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


def test_every_picture_of_a_scene_is_numbered() -> None:
    clock = BoxClock()
    for codec in ("h264", "h265"):
        source = SceneSource(parse_spec(f"x?size=128x64&sei=1&codec={codec}"), clock, lambda: 0)
        numbers = []
        for n in range(20):
            for sample in source._picture(n * 66_666_667, 0):
                (found,) = [read for unit in sample.units if (read := read_sei(unit))]
                numbers.append(found[1])
        assert numbers == list(range(20))
