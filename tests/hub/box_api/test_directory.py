"""What a box tells of its names: asked for when it changed, harmless, told to those who may see the box."""

import msgspec
import pytest

from appliance.hub.store import directory as stored
from appliance.hub.store import sites
from appliance.hub.store.sites import Site
from appliance.sync.protocol.directory import MOST_CAMERAS, digest

TOLD = {
    "name": "Depot",
    "time_zone": "Asia/Tokyo",
    "cameras": [
        {"id": "gate", "name": "North gate", "streams": ["main", "sub"]},
        {"id": "yard", "name": "Yard", "streams": [], "enabled": False},
    ],
    "zones": [{"id": "z1", "name": "Loading bay", "camera_id": "gate"}],
    "rules": [{"id": "r1", "name": "Nobody at night", "enabled": False}],
}


def told(**changes):
    return msgspec.json.encode({**TOLD, **changes})


async def put(box, body):
    return await box.ask("PUT", "/directory", body)


async def test_it_is_asked_for_once_and_again_when_it_changed(served):
    box = await served.box("box-a")
    assert (await box.beat())[1]["directory_wanted"] is False  # a box of old: it says no digest
    assert (await box.beat(directory=digest(told())))[1]["directory_wanted"] is True
    assert (await put(box, told()))[0] == 200
    assert (await box.beat(directory=digest(told())))[1]["directory_wanted"] is False
    assert (await box.beat())[1]["directory_wanted"] is False
    assert (await box.beat(directory=digest(told(name="Other"))))[1]["directory_wanted"] is True


async def test_programs_read_it(served):
    box, person = await served.box("box-a"), await served.person("ann")
    _, said = await person.ask("GET", "/boxes/box-a/names")
    assert said == {"names": {"cameras": [], "zones": [], "rules": []}}
    await put(box, told(later_field={"of": "a newer box"}))
    _, said = await person.ask("GET", "/boxes/box-a/names")
    assert said["names"]["cameras"] == [
        {"id": "gate", "name": "North gate", "enabled": True, "streams": ["main", "sub"]},
        {"id": "yard", "name": "Yard", "enabled": False, "streams": []},
    ]
    assert said["names"]["zones"] == [{"id": "z1", "name": "Loading bay", "camera_id": "gate"}]
    assert said["names"]["rules"] == [{"id": "r1", "name": "Nobody at night", "enabled": False}]
    assert (await person.ask("GET", "/boxes/box-a"))[1]["box"]["time_zone"] == "Asia/Tokyo"


async def test_names_are_of_those_who_may_see_the_box(served):
    for id_ in ("here", "there"):
        await served.hub.store.write(lambda i=id_: sites.put(Site(i, i)))
    box = await served.box("box-a", site_id="there")
    await put(box, told())
    limited = await served.person("limited", "admin", ("here",))
    assert (await limited.ask("GET", "/boxes/box-a/names"))[0] == 404
    person = (await limited.ask("GET", "/auth/me"))[1]["user"]["id"]
    known = await served.hub.store.read(lambda: stored.known(person, [("box-a", "gate")]))
    assert known == stored.Known()
    assert await served.hub.store.read(lambda: stored.of_box(person, "box-a")) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        told(name="x" * 101),
        told(name="a\nb"),
        told(name="a\x00b"),
        told(cameras=[{"id": "", "name": "no id"}]),
        told(cameras=[{"id": f"c{n}", "name": "one too many"} for n in range(MOST_CAMERAS + 1)]),
        told(rules=[{"id": "r1", "name": 7}]),
        told(zones=[{"id": "z1", "name": "of no camera"}]),
    ],
)
async def test_what_is_no_directory_changes_nothing(served, body):
    box, person = await served.box("box-a"), await served.person("ann")
    await put(box, told())
    assert (await put(box, body))[0] == 400
    assert len((await person.ask("GET", "/boxes/box-a/names"))[1]["names"]["cameras"]) == 2
    assert (await box.beat(directory=digest(told())))[1]["directory_wanted"] is False


async def test_more_than_may_travel_is_not_read(served):
    box = await served.box("box-a")
    assert (await put(box, told() + b" " * 256_000))[0] == 413


async def test_a_name_twice_counts_once(served):
    box, person = await served.box("box-a"), await served.person("ann")
    same = [{"id": "gate", "name": "First"}, {"id": "gate", "name": "Second"}]
    assert (await put(box, told(cameras=same)))[0] == 200
    _, said = await person.ask("GET", "/boxes/box-a/names")
    assert [camera["name"] for camera in said["names"]["cameras"]] == ["First"]


async def test_what_a_box_has_no_more_keeps_its_name_for_old_events_within_bounds(served, monkeypatch):
    monkeypatch.setattr(stored, "MOST_UNLISTED", 3)
    box, person = await served.box("box-a"), await served.person("ann")
    user_id = (await person.ask("GET", "/auth/me"))[1]["user"]["id"]
    for number in range(6):
        served.clock.tick(1)
        await put(box, told(cameras=[{"id": f"c{number}", "name": f"Camera {number}"}], zones=[], rules=[]))
    listed = await served.hub.store.read(lambda: stored.of_box(user_id, "box-a"))
    assert [each.id for each in listed] == ["c5"]
    asked = [("box-a", f"c{number}") for number in range(6)]
    known = await served.hub.store.read(lambda: stored.known(user_id, asked))
    assert sorted(id_ for _, _, id_ in known.names) == ["c2", "c3", "c4", "c5"]


async def test_one_box_does_not_name_another_s_things(served):
    box, other, person = await served.box("box-a"), await served.box("box-b"), await served.person("ann")
    await put(box, told())
    await put(other, told(cameras=[{"id": "gate", "name": "Somewhere else"}]))
    for id_, name in (("box-a", "North gate"), ("box-b", "Somewhere else")):
        _, said = await person.ask("GET", f"/boxes/{id_}/names")
        assert said["names"]["cameras"][0]["name"] == name
