"""A camera without a picture is an alert, once per outage; many at once are one."""

import pytest

from appliance.base.clock import ManualClock
from appliance.base.model import CameraStatus
from appliance.daemon import silence
from appliance.daemon.silence import Silence


class Yard:
    """Cameras whose state is set, on a clock that is set."""

    def __init__(self, *cameras: str) -> None:
        self.clock = ManualClock()
        self.states = dict.fromkeys(cameras, "recording")
        self.said = []
        self.watch = Silence(
            self.clock,
            lambda: {key: CameraStatus(state, self.clock.now_ns()) for key, state in self.states.items()},
            lambda type_, metadata, *, severity, camera_id: self.said.append(
                (type_, camera_id, severity, metadata["detail"])
            ),
            str.upper,
        )
        self.passes(silence.START_S)

    def passes(self, seconds: float) -> None:
        for _ in range(round(seconds / silence.PERIOD_S)):
            self.watch.look()
            self.clock.tick(silence.PERIOD_S)
        self.watch.look()

    @property
    def types(self) -> list[tuple[str, str]]:
        return [(type_, camera_id) for type_, camera_id, *_ in self.said]


def test_a_minute_without_a_picture_is_said_once_and_its_end_too():
    yard = Yard("gate", "dock")
    yard.states["gate"] = "connecting"
    yard.passes(silence.SILENT_S - silence.PERIOD_S)
    assert yard.said == []
    yard.states["gate"] = "offline"  # it is tried again and again: one outage
    yard.passes(600)
    assert yard.said == [("camera_offline", "gate", "critical", "no picture for 60 s; nothing is recorded")]
    yard.states["gate"] = "recording"
    yard.passes(60)
    assert yard.types[1:] == [("camera_back", "gate")] and yard.said[1][2] == "info"
    yard.states["gate"] = "auth_failed"
    yard.passes(120)
    assert yard.types[2:] == [("camera_offline", "gate")] and "password" in yard.said[2][3]


@pytest.mark.parametrize("state", ["live", "disabled"])
def test_what_is_not_recorded_on_purpose_is_not_silent(state):
    yard = Yard("gate")
    yard.states["gate"] = state
    yard.passes(600)
    assert yard.said == []


def test_a_box_that_has_just_started_waits_for_its_cameras():
    yard = Yard()
    yard.watch = Silence(yard.clock, yard.watch._statuses, yard.watch._tell, str.upper)
    yard.states["gate"] = "connecting"
    yard.passes(silence.START_S - silence.PERIOD_S)
    assert yard.said == []
    yard.passes(silence.PERIOD_S)
    assert yard.types == [("camera_offline", "gate")]


def test_many_at_once_are_one_alert():
    cameras = [f"c{number}" for number in range(silence.MOST_ALERTS + 1)]
    yard = Yard(*cameras, "far")
    for camera in cameras:
        yard.states[camera] = "offline"
    yard.passes(300)
    assert yard.types == [("cameras_offline", "")] and yard.said[0][3].endswith("recorded: C0, C1, C2, C3")
    yard.states["c0"] = "recording"
    yard.passes(60)
    assert yard.types[1:] == [("camera_back", "c0")]


@pytest.mark.parametrize("state", ["disabled", None])
def test_who_is_switched_off_or_removed_does_not_come_back(state):
    yard = Yard("gate")
    yard.states["gate"] = "offline"
    yard.passes(120)
    if state is None:
        del yard.states["gate"]
    else:
        yard.states["gate"] = state
    yard.passes(120)
    assert yard.types == [("camera_offline", "gate")]
