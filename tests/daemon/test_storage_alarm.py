"""A guard does not look at health: what stops recording everywhere is an alert."""

from types import SimpleNamespace
from typing import Any

import pytest

from appliance.daemon.box import Box
from appliance.media.ring.retention import RetentionState


@pytest.mark.parametrize(
    ("level", "what"),
    [("ok", None), ("low", None), ("stuck", "storage_full"), ("missing", "storage_missing")],
)
def test_a_full_disk_and_one_that_is_gone_are_alerts(clock, level, what) -> None:
    told: list[tuple[str, Any]] = []
    alarms: list[tuple[str, dict[str, str]]] = []
    analysis = SimpleNamespace(
        tell=lambda kind, camera, at_ns, data: told.append((kind, data["level"])),
        alarm=lambda type_, metadata: alarms.append((type_, metadata)),
    )
    state = RetentionState(level, 0, detail="/mnt/disk1", hint="look at it")
    Box._retention_changed(SimpleNamespace(analysis=analysis, clock=clock), state)
    assert told == [("system", level)]
    expected = [] if what is None else [(what, {"detail": "/mnt/disk1", "hint": "look at it"})]
    assert alarms == expected
