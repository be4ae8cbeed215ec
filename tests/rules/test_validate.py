import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import Zone
from appliance.rules.kinds import BUILT, KINDS
from appliance.rules.validate import validate, validate_zone


def refused(function, *arguments) -> ApplianceError:
    with pytest.raises(ApplianceError) as caught:
        function(*arguments)
    assert caught.value.kind == "invalid" and caught.value.hint and caught.value.field
    return caught.value


def polygon(*points) -> Zone:
    return Zone("z", "gate", "z", "polygon", points)


def test_good_zones_pass(world):
    validate_zone(world.room)
    validate_zone(world.wire)
    validate_zone(polygon((0, 0), (1, 0), (1, 1)))


@pytest.mark.parametrize(
    "zone",
    [
        polygon((0, 0), (1, 1)),
        polygon((0, 0), (1, 1), (1, 0), (0, 1)),  # a bow tie
        polygon((0, 0), (0.5, 0.5), (1, 1)),  # no area
        polygon((0, 0), (1, 0), (1, 0), (0, 1)),  # a corner twice
        polygon((0, 0), (1.2, 0), (1, 1)),
        polygon((0, 0), (float("nan"), 0), (1, 1)),
        polygon(*((0.5 + n / 1000, n / 100) for n in range(100))),
        Zone("z", "gate", "z", "line", ((0, 0),)),
        Zone("z", "gate", "z", "line", ((0.5, 0.5), (0.5, 0.5))),
        Zone("z", "gate", "z", "line", ((0, 0), (0.5, 0.5), (1, 0))),
    ],
)
def test_bad_zones_are_refused(zone):
    assert refused(validate_zone, zone).field.startswith("points")


def test_good_rules_pass(world):
    zones = [world.room, world.wire]
    for kind in (name for name, built in BUILT.items() if built.ZONE_KIND is not None):
        validate(world.rule(kind, classes=("a class nobody knows",)), zones)
    validate(world.rule("line_cross", params={"direction": "both"}, camera_ids=("gate",)), zones)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in BUILT])
def test_kinds_of_the_closed_set_that_are_not_built_say_so(world, kind):
    error = refused(validate, world.rule(kind), [world.room])
    assert error.field == "kind" and "not available yet" in error.message


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"params": {"dirction": "forward"}}, "params.dirction"),
        ({"params": {"direction": "up"}}, "params.direction"),
        ({"params": {"direction": ["forward"]}}, "params.direction"),
        ({"zone_ids": ()}, "zone_ids"),
        ({"zone_ids": ("wire", "nope")}, "zone_ids[1]"),
        ({"zone_ids": ("room",)}, "zone_ids[0]"),
        ({"camera_ids": ("yard",)}, "zone_ids[0]"),
        ({"min_confidence": 1.5}, "min_confidence"),
        ({"min_confidence": float("nan")}, "min_confidence"),
        ({"cooldown_s": -1}, "cooldown_s"),
        ({"cooldown_s": float("inf")}, "cooldown_s"),
    ],
)
def test_bad_rules_name_the_field(world, fields, field):
    assert refused(validate, world.rule("line_cross", **fields), [world.room, world.wire]).field == field


def test_an_unknown_param_names_the_nearest(world):
    error = refused(validate, world.rule("line_cross", params={"dirction": "forward"}), [world.wire])
    assert "direction" in error.hint
    error = refused(validate, world.rule(params={"dwell_s": 3}), [world.room])
    assert "no params" in error.hint


def test_a_schedule_is_looked_at(world):
    rule = msgspec.structs.replace(world.rule(), schedule=None)
    bad = {"windows": [{"days": [], "from": "08:00", "to": "09:00"}]}
    raw = msgspec.to_builtins(rule) | {"schedule": bad}
    assert (
        refused(validate, msgspec.convert(raw, type(rule)), [world.room]).field == "schedule.windows[0].days"
    )
