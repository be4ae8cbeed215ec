from typing import get_args

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.store.policy import FILE_KINDS, TAKE_FILES, Policy, check
from appliance.store.targets import Kind, Target


def policy(**kinds) -> Policy:
    return msgspec.convert({"kinds": kinds}, Policy)


@pytest.mark.parametrize(
    ("kind", "severity", "alarms", "lane"),
    [("alert", "critical", True, 0), ("event", "critical", True, 0), ("event", "critical", False, 2),
     ("alert", "warning", True, 1), ("event", "info", False, 2), ("event_update", "critical", False, 2),
     ("alert_update", "critical", False, 2), ("still", "warning", False, 3), ("still", "info", False, None),
     ("small_clip", "critical", False, 4), ("clip", "warning", False, 5), ("ledger", "info", False, 6),
     ("metrics", "info", False, 6), ("command_result", "info", False, 1), ("sample", "info", False, None)],
)  # fmt: skip
def test_lanes_by_themselves(kind, severity, alarms, lane) -> None:
    assert Policy().lane_of(kind, severity, alarms=alarms) == lane


def test_samples_go_only_where_somebody_asked_for_them() -> None:
    assert policy(sample={}).lane_of("sample") == 7
    assert policy(sample={"on": False}).lane_of("sample") is None


def test_a_person_may_change_lane_severity_and_whether_at_all() -> None:
    changed = policy(clip={"least_severity": "info", "lane": 3}, event={"on": False}, alert={"lane": 6})
    assert changed.lane_of("clip") == 3
    assert changed.lane_of("event", "critical", alarms=True) is None
    assert changed.lane_of("alert", "critical", alarms=True) == 6


def test_who_takes_no_files_is_owed_none() -> None:
    assert Target("a", "https://a").lane_of("clip", "critical") is None
    assert Target("a", "https://a", "hub").lane_of("clip", "critical") == 5


@pytest.mark.parametrize("kind", sorted(set(get_args(Kind)) - TAKE_FILES))
def test_a_broker_is_owed_no_file_whatever_its_policy_says(kind) -> None:
    everything = policy(**{name: {"on": True, "least_severity": "info"} for name in FILE_KINDS})
    bare, inside = (
        Target("a", "x://a", kind, policy=everything, options=o) for o in ({}, {"stills": "inline"})
    )
    assert {name for name in FILE_KINDS if bare.lane_of(name, "critical") is not None} == set()
    owed = {name for name in FILE_KINDS if inside.lane_of(name, "critical") is not None}
    assert owed == (set() if kind == "https" else {"still"}), (
        "pictures inside messages, where it was so chosen"
    )
    assert bare.lane_of("event", "critical") is not None


def test_nonsense_is_named() -> None:
    with pytest.raises(ApplianceError) as caught:
        check(policy(clips={}))
    assert caught.value.field == "policy.kinds" and "clips" in caught.value.message
    with pytest.raises(ApplianceError) as caught:
        check(msgspec.convert({"budget": {"day_bytes": 10, "hour_bytes": 11}}, Policy))
    assert caught.value.field == "policy.budget.hour_bytes"
    for wrong in ({"kinds": {"clip": {"lane": 8}}}, {"quota_bytes": -1}, {"budgets": {}}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, Policy)
