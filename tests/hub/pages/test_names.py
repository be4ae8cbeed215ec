"""Names instead of ids, times of the site, an event beside its alert, and what an empty list may not say."""

import re

import msgspec
import pytest

from appliance.base.clock import rfc3339
from appliance.hub.store import sites
from appliance.hub.store.sites import Site

HOSTILE = '<img src=x onerror="alert(1)">"\'&'
TOLD = {
    "name": "Depot",
    "time_zone": "Asia/Tokyo",
    "cameras": [
        {"id": "gate", "name": "North gate", "streams": ["main", "sub"]},
        {"id": "yard", "name": "Yard", "streams": ["main"]},
        {"id": "hall", "name": HOSTILE, "streams": [], "enabled": False},
    ],
    "zones": [{"id": "z1", "name": "Loading bay", "camera_id": "gate"}],
    "rules": [{"id": "r1", "name": "Nobody at night"}],
}


async def get(person, path, **headers):
    response = await person.client.get(path, headers={**person.headers, **headers}, allow_redirects=False)
    return response.status, await response.text()


@pytest.fixture
async def box(served):
    """In Tokyo, with an event, its alert and a clip."""
    found = await served.box("box-a")
    assert (await found.ask("PUT", "/directory", msgspec.json.encode(TOLD)))[0] == 200
    await found.beat()
    row = found.row("e1")
    row["body"] |= {"type": "zone_enter", "class_name": "person", "zone_id": "z1", "rule_id": "r1"}
    await found.batch(row, alert(found, "new"))
    await found.begin("c1", b"0123456789")
    return found


def alert(box, status, row_id="a1", **more):
    at = rfc3339(box.clock.now_ns())
    body = {
        "id": "a1", "event_id": "e1", "severity": "critical", "status": status, "camera_id": "gate",
        "created_at": at, "notes": [], **more,
    }  # fmt: skip
    return box.row(row_id, "alert" if row_id == "a1" else "alert_update", body)


async def test_names_stand_where_ids_stood(served, box):
    admin = await served.person("root")
    for path in ("/events", "/events/box-a/e1", "/alerts", "/clips", "/clips/box-a/c1", "/boxes/box-a"):
        status, text = await get(admin, path)
        assert status == 200, path
        assert re.search(r'title="gate"[^>]*>(<strong>)?North gate<', text), path
        assert not re.search(r">\s*gate\s*<", text), path
    for path in ("/events", "/events/box-a/e1", "/alerts", "/boxes/box-a"):
        assert "Person entered Loading bay" in (await get(admin, path))[1], path
    assert re.search(r'title="r1">Nobody at night<', (await get(admin, "/events/box-a/e1"))[1])
    assert "<img src=x" not in (await get(admin, "/boxes/box-a"))[1]


async def test_without_names_ids_stand_as_before(served):
    old, admin = await served.box("box-old"), await served.person("root")
    await old.batch(old.row("e1"))
    assert ">gate<" in (await get(admin, "/events/box-old/e1"))[1]
    text = (await get(admin, "/boxes/box-old"))[1]
    assert "has not told what its cameras are called" in text
    assert '<input name="camera_id"' in text and '<option value="gate">' in text


async def test_events_are_found_by_a_camera_s_name(served, box):
    admin = await served.person("root")
    other = await served.box("box-b")
    await other.batch(other.row("e2"))  # a camera "gate" too, of another box and without a name
    for query, wanted in (
        ("camera=north", ["e1"]), ("camera=NORTH%20GATE", ["e1"]), ("camera=gate", ["e1", "e2"]),
        ("camera=Yard", []), ("box=box-b&camera=gate", ["e2"]),
    ):  # fmt: skip
        found = re.findall(r'href="/events/box-[ab]/(e\d)"', (await get(admin, f"/events?{query}"))[1])
        assert sorted(found) == wanted, query
    text = (await get(admin, "/events?box=box-a&camera=gate"))[1]
    assert '<option value="gate" selected>North gate</option>' in text


async def test_a_clip_is_asked_of_what_the_box_records(served, box):
    text = (await get(await served.person("o", "operator"), "/boxes/box-a"))[1]
    assert '<option value="gate" data-streams="main sub">North gate</option>' in text
    assert '<option value="yard" data-streams="main">Yard</option>' in text
    assert re.search(r'<option value="hall" data-streams="" disabled>&lt;img', text)
    assert 'id="clip-form" data-zone="Asia/Tokyo"' in text


async def test_an_ordered_clip_is_told_by_name(served, box):
    operator = await served.person("o", "operator")
    at, end = (rfc3339(served.clock.now_ns() - s * 1_000_000_000) for s in (90, 60))
    for body in (
        {"camera_id": "gate", "start_time": at, "end_time": end, "stream": "sub"},
        {"camera_id": HOSTILE, "start_time": at, "end_time": end},
        {"camera_id": "gate", "start_time": at, "end_time": "9999-12-31T23:59:59Z"},
        {"camera_id": ["gate"], "start_time": 7, "end_time": None},
    ):
        assert (await operator.ask("POST", "/boxes/box-a/commands", {"kind": "fetch_clip", "body": body}))[
            0
        ] < 500
    text = (await get(operator, "/boxes/box-a", Cookie="zone=Asia/Tokyo"))[1]
    assert re.search(r'title="gate">North gate</span>, <time[^>]*>23:28:30</time>, 30 s, sub<', text)
    assert "<img src=x" not in text


async def test_a_code_says_which_box_used_it_by_name(served, box):
    text = (await get(await served.person("root"), "/settings/codes"))[1]
    assert '<a href="/boxes/box-a" title="box-a">Box box-a</a>' in text


async def test_an_event_stands_with_its_alert(served, box):
    operator, viewer = await served.person("olga", "operator"), await served.person("v", "viewer")
    path = "/events/box-a/e1"
    assert 'data-alert="a1"' in (await get(viewer, path))[1]
    assert "data-acknowledge" not in (await get(viewer, path))[1]
    assert "data-acknowledge" in (await get(operator, path))[1]
    assert (await operator.ask("POST", "/alerts/box-a/a1/ack", {"note": "on my way"}))[0] == 200
    text = (await get(operator, path))[1]
    assert 'data-step="sent"' in text and "Olga acknowledged it here" in text and "on my way" in text
    at = rfc3339(served.clock.now_ns())
    said = {"acknowledged_by": "olga (hub)", "acknowledged_at": at, "notes": ["on my way", "all clear"]}
    await box.batch(alert(box, "acknowledged", "u1", **said))
    text = (await get(operator, path))[1]
    assert 'data-step="acknowledged"' in text and "all clear" in text
    assert re.search(r"Acknowledged by olga \(hub\) at \d\d:\d\d:\d\d \(Tokyo\)\.", text)
    assert text.count("on my way") == 1
    done = {**said, "resolved_by": "olga", "resolved_at": at, "resolution": "false_alarm"}
    await box.batch(alert(box, "resolved", "u2", **done))
    text = (await get(operator, path))[1]
    assert 'data-step="resolved"' in text and "(Tokyo): false alarm." in text
    assert 'href="/events/box-a/e1"' in (await get(operator, "/alerts?status=all"))[1]


async def test_an_event_of_another_s_alert_shows_none_of_it(served, box):
    await box.batch(box.row("e2"))
    other = await served.box("box-b")
    await other.batch(other.row("e1"))
    admin = await served.person("root")
    for path in ("/events/box-a/e2", "/events/box-b/e1"):
        text = (await get(admin, path))[1]
        assert 'id="event-alerts"' in text and "data-alert=" not in text


async def test_times_are_the_site_s_and_the_place_is_said_where_clocks_differ(served, box):
    admin = await served.person("root")
    berlin = {"Cookie": "zone=Europe/Berlin"}
    for path in ("/events", "/events/box-a/e1", "/alerts", "/clips", "/boxes/box-a"):
        text = (await get(admin, path, **berlin))[1]
        # 14:30 UTC: 23:30 in Tokyo, 15:30 in Berlin
        assert re.search(
            r'title="15:30:00 in Europe/Berlin">23:30:00 <small class="there">Tokyo</small>', text
        ), path
        text = (await get(admin, path, Cookie="zone=Asia/Seoul"))[1]  # the same clocks
        assert "23:30:00" in text and 'class="there"' not in text, path


async def test_the_hub_s_word_for_a_site_s_zone_counts_first(served, box):
    admin = await served.person("root")
    await served.hub.store.write(lambda: sites.put(Site("oslo", "Oslo", "Etc/UTC")))
    change = {"name": "Box", "site_id": "oslo"}
    assert (await admin.ask("PUT", "/boxes/box-a", change))[1]["box"]["time_zone"] == "Asia/Tokyo"
    await served.hub.store.write(lambda: sites.put(Site("oslo", "Oslo", "America/New_York")))
    text = (await get(admin, "/events", Cookie="zone=Europe/Berlin"))[1]
    assert '09:30:00 <small class="there">New York</small>' in text


async def test_a_day_is_the_site_s_where_one_is_asked_for(served, box):
    """The event was on the 20th in Berlin at 15:30, in Tokyo at 23:30; another one two hours later."""
    served.clock.tick(7_200)
    await box.batch(box.row("e2"))
    admin, berlin = await served.person("root"), {"Cookie": "zone=Europe/Berlin"}
    await served.hub.store.write(lambda: sites.put(Site("tokyo", "Tokyo", "Asia/Tokyo")))
    await admin.ask("PUT", "/boxes/box-a", {"name": "Box", "site_id": "tokyo"})
    for query, wanted in (
        ("date=2026-01-20", ["e1", "e2"]), ("box=box-a&date=2026-01-20", ["e1"]),
        ("box=box-a&date=2026-01-21", ["e2"]), ("site=tokyo&date=2026-01-21", ["e2"]),
        ("box=none&date=2026-01-21", []), ("site=none&date=2026-01-20", []),
    ):  # fmt: skip
        text = (await get(admin, f"/events?{query}", **berlin))[1]
        assert sorted(re.findall(r'href="/events/box-a/(e\d)"', text)) == wanted, query
        assert ("in Tokyo" in text) == ("box-a" in query or "tokyo" in query), query


@pytest.mark.parametrize("zone", ["Etc/UTC", "", "No/where", "../../etc/passwd"])
async def test_where_nobody_says_where_a_box_is_the_reader_s_clock_counts(served, zone):
    box, admin = await served.box("box-b"), await served.person("root")
    await box.ask("PUT", "/directory", msgspec.json.encode({**TOLD, "time_zone": zone}))
    await box.batch(box.row("e1"))
    text = (await get(admin, "/events", Cookie="zone=Europe/Berlin"))[1]
    assert "15:30:00" in text and 'class="there"' not in text


async def test_an_empty_list_does_not_say_that_nothing_was(served):
    box = await served.box("box-a")
    served.clock.tick(3 * 86_400)
    await box.beat()
    admin = await served.person("root")
    text = (await get(admin, "/boxes/box-a"))[1]
    words = r"since its enrolment, <time[^>]*>Tue 20 Jan 14:30:00</time>; what was before is only at"
    assert re.search(r"No event of this box has arrived\. This hub knows of this box " + words, text)
    assert "what was before is only at the box" not in (await get(admin, "/"))[1]  # three days ago
    assert "before it was enrolled here is only at the box" in (await get(admin, "/alerts"))[1]
    box.code = await served.code()
    served.clock.tick(600)
    assert (await box.enrol())[0] == 200
    text = (await get(admin, "/boxes/box-a"))[1]
    assert re.search(
        r"what was before, or while it did not belong to this hub until <time[^>]*>14:40:00</time>, is", text
    )
    assert "again <time" in text


async def test_a_stopped_box_is_not_shown_as_recording(served):
    box, admin = await served.box("box-a"), await served.person("root")
    await box.beat(cameras_recording=4, cameras_total=4)
    served.clock.tick(5)
    await box.beat(cameras_recording=0, cameras_total=4, status="stopping")
    fleet, page = (await get(admin, "/"))[1], (await get(admin, "/boxes/box-a"))[1]
    assert 'data-state="stopped"' in fleet and "Stopped on purpose at" in fleet
    assert re.search(r"Stopped at <time[^>]*>14:30:05</time>, on purpose: it records nothing", page)
    assert (await get(admin, "/?state=stopped"))[1].count("data-box=") == 1
