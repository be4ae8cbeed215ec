"""What rules make of a camera's weight."""

from appliance.base.model import Rule, Zone
from appliance.rules.priority import weights


def rule(severity, cameras=(), zones=(), enabled=True):
    return Rule("r", "r", "zone_enter", enabled, tuple(cameras), tuple(zones), severity=severity)


ZONE = Zone("z", "yard", "", "polygon", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))


def test_the_gravest_rule_of_a_camera_counts():
    found = weights([rule("warning", ["yard", "door"]), rule("critical", zones=["z"])], [ZONE])
    assert found == {"yard": 4.0, "door": 2.0}


def test_what_is_off_or_for_nobody_in_particular_says_nothing():
    assert (
        weights([rule("critical", ["yard"], enabled=False), rule("critical", zones=["gone"])], [ZONE]) == {}
    )
