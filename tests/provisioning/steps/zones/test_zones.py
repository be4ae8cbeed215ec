"""Zones from templates on a real daemon: what is stored is what the box's own engine accepts."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.rules.kinds import BUILT
from provisioning.steps.zones import ZoneGiven, Zones, ZonesGiven
from provisioning.steps.zones.templates import templates

ASKED_FOR = {"perimeter", "entrance", "car-park", "till", "production-line", "night"}


@pytest.fixture
def gate(box_ground):
    async def add() -> str:
        body = {"name": "Gate", "rtsp_url": "rtsp://127.0.0.1:9/none", "enabled": False}
        return (await box_ground.daemon.ask("POST", "/cameras", body))["camera"]["id"]

    return add


async def test_every_template_is_taken_and_watched_and_not_drawn_again(box_ground, twice, gate) -> None:
    await gate()
    assert set(templates()) == ASKED_FOR
    given = ZonesGiven(tuple(ZoneGiven("Gate", name) for name in templates()))
    planned, _, checks = await twice(Zones(), given)
    assert len(planned) == len(checks) == 6 and all(check.ok for check in checks)
    rules = (await box_ground.daemon.ask("GET", "/rules"))["rules"]
    assert {rule["kind"] for rule in rules} <= set(BUILT)
    assert len(rules) == sum(len(template.rule) for template in templates().values())
    night = [rule for rule in rules if rule["schedule"]]
    assert night and all(rule["schedule"]["windows"][0]["from"] == "22:00" for rule in night)


async def test_a_shape_is_moved_and_another_night_changes_its_rules(box_ground, twice, gate) -> None:
    id_ = await gate()
    await twice(Zones(), ZonesGiven((ZoneGiven("Gate", "till"),)))
    corners = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.5))
    planned, _, _ = await twice(Zones(), ZonesGiven((ZoneGiven(id_, "till", points=corners),)))
    assert planned == ["redraw Till on Gate"]
    (zone,) = (await box_ground.daemon.ask("GET", "/zones"))["zones"]
    assert zone["points"] == [list(point) for point in corners]
    settings = (await box_ground.daemon.ask("GET", "/settings"))["settings"]
    await box_ground.daemon.ask("PUT", "/settings", settings | {"night": {"from": "20:00", "to": "07:00"}})
    planned, _, _ = await twice(Zones(), ZonesGiven((ZoneGiven("Gate", "till", points=corners),)))
    assert planned == ["change the rule Gate, Till: somebody after hours"]
    await box_ground.daemon.ask("PUT", "/settings", settings)


async def test_what_others_drew_is_left_alone(box_ground, twice, gate) -> None:
    own = {"camera_id": await gate(), "name": "Mine", "kind": "line", "points": [[0, 0], [1, 1]]}
    await box_ground.daemon.ask("POST", "/zones", own)
    _, _, checks = await twice(Zones(), ZonesGiven((ZoneGiven("Gate", "perimeter"),)))
    assert {check.name: check.ok for check in checks} == {"Gate, Mine": False, "Gate, Perimeter": True}


@pytest.mark.parametrize(
    ("zone", "field", "hint"),
    [
        (ZoneGiven("Gat", "till"), "zone.0.camera", "Gate?"),
        (ZoneGiven("Gate", "perimetre"), "zone.0.template", "perimeter?"),
        (ZoneGiven("Gate", "till", points=((0, 0), (1, 1))), "zone.0.points", "corners"),
        (ZoneGiven("Gate", "perimeter", points=((0, 0), (2, 1))), "zone.0.points", "ends"),
    ],
)
async def test_what_is_not_there_is_refused_with_its_field(box_ground, gate, zone, field, hint) -> None:
    await gate()
    with pytest.raises(ApplianceError) as caught:
        await Zones().plan(box_ground, ZonesGiven((zone,)))
    assert caught.value.field == field and hint in caught.value.hint


async def test_a_shape_that_crosses_itself_is_refused_by_its_answer(box_ground, gate) -> None:
    await gate()
    bow = ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9))
    with pytest.raises(ApplianceError) as caught:
        await Zones().apply(
            box_ground, ZonesGiven((ZoneGiven("Gate", "till", points=bow),)), lambda text: None
        )
    assert caught.value.field == "zone.0.points"
