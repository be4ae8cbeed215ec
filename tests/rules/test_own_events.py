"""Rules of kind motion and tamper: what a camera notices itself begins once and ends once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.base.model import Rule, Schedule, ScheduleWindow
from appliance.rules.engine import Engine
from appliance.rules.own_events import Noticed, listens_to
from appliance.rules.relay import read_action, relay_actions
from appliance.rules.validate import validate

SECOND_NS = 1_000_000_000
NOON_NS = 1_768_910_400 * SECOND_NS  # a Tuesday


def own(kind: str = "motion", source: str = "camera", **fields) -> Rule:
    base = {"id": f"{kind}-{source}", "name": kind, "kind": kind, "camera_ids": ("gate",)}
    return Rule(**(base | {"params": {"source": source}} | fields))


def noticed(what="motion", active=True, at_s=0, camera="gate", token="0") -> Noticed:
    return Noticed(camera, what, token, active, NOON_NS + at_s * SECOND_NS)


def told(findings) -> list[tuple[str, str]]:
    return [(finding.rule.id, finding.phase) for finding in findings]


def test_each_rule_hears_its_own_source_of_its_own_cameras():
    engine = Engine([own(), own("tamper"), own("motion", "input"), own("tamper", "input")], [])
    assert told(engine.notice(noticed("motion"))) == [("motion-camera", "began")]
    assert told(engine.notice(noticed("tamper"))) == [("tamper-camera", "began")]
    both = [("motion-input", "began"), ("tamper-input", "began")]
    assert told(engine.notice(noticed("input"))) == both
    assert engine.notice(noticed("motion", camera="yard")) == []


def test_it_lasts_until_the_camera_says_so():
    engine = Engine([own()], [])
    (began,) = engine.notice(noticed(at_s=1))
    assert engine.notice(noticed(at_s=2)) == []  # the same state again
    assert engine.notice(noticed(active=False, at_s=3, token="1")) == []
    (ended,) = engine.notice(noticed(active=False, at_s=4))
    assert (ended.phase, ended.key, ended.time_ns - began.time_ns) == ("ended", began.key, 3 * SECOND_NS)
    assert engine.notice(noticed(active=False, at_s=5)) == []


def test_a_moment_begins_and_ends_at_once():
    assert [f.phase for f in Engine([own()], []).notice(noticed(active=None))] == ["began", "ended"]


def test_what_nobody_hears_any_more_is_over_and_a_rule_that_went_leaves_nothing_open():
    engine = Engine([own(), own("tamper")], [])
    engine.notice(noticed("motion"))
    engine.notice(noticed("tamper"))
    engine.replace([own()], [])
    assert sorted(told(engine.unheard("gate", NOON_NS + SECOND_NS))) == [
        ("motion-camera", "ended"),
        ("tamper-camera", "ended"),
    ]
    assert engine.unheard("gate", NOON_NS) == []


def test_a_schedule_holds_it_back():
    night = Schedule((ScheduleWindow(("mon", "tue"), "22:00", "06:00"),))
    assert Engine([own(schedule=night)], []).notice(noticed()) == []


@given(
    st.lists(st.tuples(st.sampled_from(["motion", "tamper", "input"]), st.sampled_from([True, False, None])))
)
def test_nothing_begins_twice_and_nothing_ends_that_did_not_begin(said):
    engine = Engine([own(), own("tamper"), own("motion", "input")], [])
    open_ = set()
    for number, (what, active) in enumerate(said):
        for finding in engine.notice(noticed(what, active, number)):
            assert (finding.key in open_) == (finding.phase == "ended")
            open_ ^= {finding.key}
            assert finding.phase == "began" or finding.time_ns >= finding.began_ns
    assert {finding.key for finding in engine.unheard("gate", NOON_NS)} == open_


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"params": {}}, "params.source"),
        ({"params": {"source": "picture"}}, "params.source"),
        ({"params": {"source": "camera", "token": "1"}}, "params.token"),
        ({"camera_ids": ()}, "camera_ids"),
        ({"zone_ids": ("room",)}, "zone_ids"),
        ({"classes": ("person",)}, "classes"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(fields, field):
    validate(own(), [])
    with pytest.raises(ApplianceError) as caught:
        validate(own(**fields), [])
    assert caught.value.field == field and caught.value.hint


def test_which_cameras_are_listened_to():
    rules = [own(), own("tamper", camera_ids=("yard", "gate")), own(enabled=False, camera_ids=("shop",))]
    assert listens_to([*rules, own("zone_enter", camera_ids=("door",))]) == {"gate", "yard"}


def test_relay_actions_are_read_or_refused():
    good = {"kind": "relay", "camera_id": "gate", "relay": "R1", "seconds": 5}
    assert read_action(good, 0).seconds == 5
    for wrong in ({"seconds": 0}, {"seconds": 601}, {"relay": ""}, {"surprise": 1}, {"seconds": "5"}):
        with pytest.raises(ApplianceError) as caught:
            read_action(good | wrong, 3)
        assert caught.value.field == "actions.3" and caught.value.hint
    kept = own(actions=({"kind": "notify"}, {"kind": "relay"}, good))
    assert [action.relay for action in relay_actions(kept)] == ["R1"]
