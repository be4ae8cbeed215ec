"""The camera's own clock: sender reports of a foreign packetiser, wraps, and lies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS
from appliance.media.camera.rtsp.reports import CameraClock
from appliance.simulator.rtp import Packetiser

WALL_NS = 1_700_000_000 * SECOND_NS + SECOND_NS // 4


class Ticks:
    """As the pictures count: from the first packet, the nearest to the newest."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __call__(self, stamp: int) -> int:
        ahead = (stamp - self.first) & 0xFFFFFFFF
        return ahead - (1 << 32) if ahead >= 1 << 31 else ahead


@pytest.mark.parametrize("first", [0, 1000, 0xFFFFFFFF, 0xFFFF0000])
@pytest.mark.parametrize("hz", [90_000, 1000])
def test_a_picture_has_the_cameras_time(first: int, hz: int) -> None:
    packetiser = Packetiser(96, hz, 7, 0, first)
    report = packetiser.sender_report(10 * SECOND_NS, WALL_NS)  # compound: a description comes with it
    buffer = bytearray(b"xx" + report)
    clock = CameraClock(buffer, Ticks(first), hz)
    assert clock.camera_ns(0) is None
    assert clock.put(2, len(buffer), len(buffer)) == len(buffer)
    assert clock.camera_ns(10 * hz) == pytest.approx(WALL_NS, abs=2)
    assert clock.camera_ns(13 * hz) == pytest.approx(WALL_NS + 3 * SECOND_NS, abs=2)
    assert clock.camera_ns(0) == pytest.approx(WALL_NS - 10 * SECOND_NS, abs=2)


def test_the_newest_report_counts() -> None:
    packetiser = Packetiser(96, 90_000, 7, 0, 0)
    reports = [packetiser.sender_report(n * SECOND_NS, WALL_NS + n * 2 * SECOND_NS) for n in (1, 2)]
    buffer = bytearray(b"".join(reports))
    clock = CameraClock(buffer, Ticks(0), 90_000)
    clock.put(0, len(reports[0]), len(buffer))
    clock.put(len(reports[0]), len(buffer), len(buffer))
    assert clock.camera_ns(2 * 90_000) == pytest.approx(WALL_NS + 4 * SECOND_NS, abs=2)


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report[:19],
        lambda report: report[:1] + b"\xc9" + report[2:],  # a receiver's report
        lambda report: report[:8] + bytes(8) + report[16:],  # a camera that knows no time
        lambda report: (
            report[:8] + b"\x00\x00\x10\x00" + report[12:]
        ),  # ... and counts since it was switched on
        lambda report: b"",
    ],
)
def test_what_tells_no_time(change) -> None:
    report = Packetiser(96, 90_000, 7, 0, 0).sender_report(SECOND_NS, WALL_NS)
    said = change(report)
    buffer = bytearray(said + bytes(40))
    clock = CameraClock(buffer, Ticks(0), 90_000)
    assert clock.put(0, len(said), len(buffer)) == len(said)
    assert clock.camera_ns(0) is None


@given(st.binary(max_size=60), st.integers(-(1 << 40), 1 << 40))
def test_lies_are_no_error(data: bytes, stamp: int) -> None:
    buffer = bytearray(data)
    clock = CameraClock(buffer, Ticks(5), 1)
    assert clock.put(0, len(data), len(data)) == len(data)
    clock.camera_ns(stamp)
