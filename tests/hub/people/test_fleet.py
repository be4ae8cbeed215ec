"""What people see: the fleet worst first, events over all sites, alerts; and what they cannot see."""

import asyncio
import random

import pytest
from aiohttp import hdrs

DATA = random.Random(9).randbytes(90_000)


async def two_sites(served):
    """An admin, and a viewer and an operator of the site north alone; a box on each site, one on none."""
    admin = await served.person("ann")
    for name in ("North", "South"):
        assert (await admin.ask("POST", "/sites", {"name": name, "time_zone": "Europe/Berlin"}))[0] == 201
    boxes = [await served.box("box-n", site_id="north"), await served.box("box-s", site_id="south")]
    boxes.append(await served.box("box-0"))
    return admin, await served.person("vic", "viewer", ["north"]), boxes


def alert_row(box, id_="a1", status="new"):
    body = {"id": id_, "event_id": "e1", "camera_id": "gate", "severity": "critical", "status": status,
            "created_at": box.row("x")["created_at"]}  # fmt: skip
    return box.row(id_, "alert", body)


async def test_the_worst_box_stands_first(served):
    admin, _, (north, south, _) = await two_sites(served)
    quiet = await served.box("box-q")
    await quiet.beat()
    await north.beat(status="degraded")
    await south.beat()
    await south.batch(alert_row(south))
    _, said = await admin.ask("GET", "/boxes")
    assert [(box["id"], box["state"]) for box in said["boxes"]] == [
        ("box-s", "critical"), ("box-n", "degraded"), ("box-0", "never_heard"), ("box-q", "ok"),
    ]  # fmt: skip
    assert said["totals"] == {"critical": 1, "degraded": 1, "never_heard": 1, "ok": 1}
    first = await admin.ask("GET", "/boxes?limit=3")
    _, rest = await admin.ask("GET", f"/boxes?limit=3&cursor={first[1]['next_cursor']}")
    assert [box["id"] for box in rest["boxes"]] == ["box-q"]
    assert rest["next_cursor"] is None
    _, found = await admin.ask("GET", "/boxes?q=BOX-N")
    assert [box["id"] for box in found["boxes"]] == ["box-n"]
    assert (await admin.ask("GET", "/boxes?cursor=nonsense"))[0] == 400


async def test_a_person_of_one_site_cannot_tell_that_others_exist(served):
    admin, vic, boxes = await two_sites(served)
    for box in boxes:
        await box.batch(box.row("e1"), alert_row(box))
        await box.begin("c1", DATA)
        await box.chunk("c1", 0, DATA)
    lists = ("/boxes", "/events", "/alerts", "/uploads")
    for path in lists:
        noun = path[1:]
        _, said = await vic.ask("GET", path)
        assert [thing.get("box_id", thing["id"] if noun == "boxes" else None) for thing in said[noun]] == [
            "box-n"
        ]
        _, every = await admin.ask("GET", path)
        assert len(every[noun]) == 3
        _, none = await vic.ask("GET", f"{path}?site_id=south&box_id=box-s")
        assert (path == "/boxes" and none["boxes"] == []) or none[noun] == []
    assert [site["id"] for site in (await vic.ask("GET", "/sites"))[1]["sites"]] == ["north"]
    for path in (
        "/boxes/{}",
        "/boxes/{}/deliveries",
        "/events/{}/e1",
        "/uploads/{}/c1",
        "/uploads/{}/c1/file",
    ):
        assert (await vic.ask("GET", path.format("box-n")))[0] == 200, path
        hidden, absent = (
            await vic.ask("GET", path.format("box-s")),
            await vic.ask("GET", path.format("box-x")),
        )
        assert hidden[0] == absent[0] == 404
        same = hidden[1]["error"]["message"].replace("box-s", "box-x")
        assert same == absent[1]["error"]["message"]


async def test_acknowledging_is_a_wish_until_the_box_says_so_and_only_for_those_who_may(served):
    admin, vic, (north, south, _) = await two_sites(served)
    olga = await served.person("olga", "operator", ["north"])
    await north.batch(alert_row(north))
    await south.batch(alert_row(south))
    assert (await vic.ask("POST", "/alerts/box-n/a1/ack", {}))[0] == 403
    assert (await olga.ask("POST", "/alerts/box-s/a1/ack", {}))[0] == 404
    status, said = await olga.ask("POST", "/alerts/box-n/a1/ack", {"note": "a cat"})
    assert (status, said["alert"]["wish"]["by"], said["alert"]["wish"]["note"]) == (200, "olga", "a cat")
    assert said["alert"]["alert"]["status"] == "new"
    assert (await olga.ask("POST", "/alerts/box-n/a1/ack", {}))[0] == 409
    served.clock.tick(1)
    done = {**alert_row(north, status="acknowledged"), "id": "u1", "kind": "alert_update"}
    await north.batch(done)
    _, said = await admin.ask("GET", "/alerts?status=acknowledged")
    assert [(a["box_id"], a["wish"]) for a in said["alerts"]] == [("box-n", None)]
    _, said = await admin.ask("GET", "/alerts?status=new&severity=critical")
    assert [a["box_id"] for a in said["alerts"]] == ["box-s"]


async def test_two_who_acknowledge_at_once_are_one(start):
    first, second = await start(), await start()
    box = await first.box("box-a")
    await box.batch(alert_row(box))
    ann = await first.person("ann")
    people = [type(ann)(served.client, ann.headers) for served in (first, second) * 3]
    answers = await asyncio.gather(*(person.ask("POST", "/alerts/box-a/a1/ack", {}) for person in people))
    assert sorted(status for status, _ in answers) == [200] + [409] * 5


async def test_events_are_found_by_their_facts_and_paged_without_hole_or_repeat(served):
    admin, _, (north, south, _) = await two_sites(served)
    for number in range(30):
        box = (north, south)[number % 2]
        body = {**box.row("x")["body"], "id": f"e{number}", "severity": ("info", "critical")[number % 3 == 0],
                "type": "loitering" if number < 4 else "intrusion"}  # fmt: skip
        await box.batch(box.row(f"e{number}", body=body))
        if number % 4 == 0:
            served.clock.tick(1)  # some happen in the same millisecond
    seen, cursor = [], ""
    while cursor is not None:
        _, said = await admin.ask("GET", f"/events?limit=7{cursor and '&cursor=' + cursor}")
        seen += [event["event"]["id"] for event in said["events"]]
        cursor = said["next_cursor"]
    assert sorted(seen) == sorted(f"e{number}" for number in range(30))
    for query, count in (
        ("type=loitering", 4), ("severity=critical", 10), ("site_id=north", 15), ("box_id=box-s", 15),
        ("type=loitering&site_id=south", 2), ("camera_id=gate", 30), ("camera_id=none", 0),
        ("type=loitering&type=intrusion", 30),
    ):  # fmt: skip
        _, said = await admin.ask("GET", f"/events?{query}")
        assert len(said["events"]) == count, query
    _, said = await admin.ask("GET", "/events?limit=1")
    at = said["events"][0]["happened_at"]
    later = (await admin.ask("GET", f"/events?start_time={at}"))[1]["events"]
    earlier = (await admin.ask("GET", f"/events?end_time={at}"))[1]["events"]
    assert len(later) + len(earlier) == 30 and later
    assert (await admin.ask("GET", "/events?severity=loud"))[0] == 400
    assert (await admin.ask("GET", "/events?cursor=bm8"))[0] == 400


async def test_a_clip_can_be_watched_while_it_arrives_and_by_ranges(served):
    admin, _, (north, *_) = await two_sites(served)
    await north.batch(north.row("e1"))
    await north.begin("c1", DATA)
    url = "/api/v1/uploads/box-n/c1/file"

    async def get(**headers):
        said = {**admin.headers, **headers}
        response = await served.client.get(url, headers=said)
        return response.status, await response.read(), response.headers

    for offset in (0, 40_000):
        await north.chunk("c1", offset, DATA[offset : offset + 40_000])
        status, body, headers = await get()
        assert (status, body) == (200, DATA[: offset + 40_000])
        assert headers["X-Upload-State"] == "partial" and headers[hdrs.ACCEPT_RANGES] == "bytes"
        status, body, headers = await get(Range="bytes=100-")
        assert (status, body) == (206, DATA[100 : offset + 40_000])
        assert headers["Content-Range"] == f"bytes 100-{offset + 39_999}/90000"
    status, body, _ = await get(Range="bytes=39990-40009")  # over the chunks' border
    assert (status, body) == (206, DATA[39_990:40_010])
    assert (await get(Range="bytes=85000-"))[0] == 416  # not here yet
    await north.chunk("c1", 80_000, DATA[80_000:])
    for wanted, part in (("0-9", DATA[:10]), ("-5", DATA[-5:]), ("80000-999999", DATA[80_000:])):
        status, body, _ = await get(Range=f"bytes={wanted}")
        assert (status, body) == (206, part)
    status, body, headers = await get()
    assert (status, body, headers["X-Upload-State"]) == (200, DATA, "complete")
    assert (await get(**{"If-None-Match": headers["ETag"]}))[0] == 304
    _, said = await admin.ask("GET", "/events/box-n/e1")
    assert [file["state"] for file in said["event"]["files"]] == ["complete"]
    _, said = await admin.ask("GET", "/audit")
    assert "upload/box-n/c1" in [row["thing"] for row in said["audit"] if row["action"] == "viewed"]


@pytest.mark.parametrize("places", ["embedded"], indirect=True)
async def test_a_code_is_shown_once_and_can_be_revoked(served):
    admin = await served.person("ann")
    _, said = await admin.ask("POST", "/codes", {"name": "Gate house", "hours": 2})
    code = said["code"]
    assert code["state"] == "open" and len(code["text"]) == 23
    _, listed = await admin.ask("GET", "/codes")
    assert "text" not in listed["codes"][0]
    assert (await admin.ask("DELETE", f"/codes/{code['id']}"))[0] == 204
    assert (await admin.ask("DELETE", f"/codes/{code['id']}"))[0] == 404
    box = await served.box("box-a")
    late = type(box)(served.client, served.clock, "box-b", code["text"])
    assert (await late.enrol())[0] == 403
    _, said = await admin.ask("POST", "/codes", {"name": "Gate house"})
    late.code = said["code"]["text"].upper().replace("-", " ")  # as a person types it
    assert (await late.enrol())[0] == 200
    assert (await admin.ask("GET", "/boxes/box-b"))[1]["box"]["name"] == "Gate house"
    assert (await admin.ask("POST", "/codes", {"site_id": "nowhere"}))[0] == 400
    assert (await admin.ask("POST", "/codes", {"hours": 1e9}))[0] == 400


@pytest.mark.parametrize("places", ["embedded"], indirect=True)
async def test_a_revoked_box_is_out_and_its_rows_stay(served):
    admin = await served.person("ann")
    box = await served.box("box-a")
    await box.batch(box.row("e1"))
    change = {"name": "Pump", "site_id": None, "tags": ["water"]}
    assert (await admin.ask("PUT", "/boxes/box-a", change))[1]["box"]["tags"] == ["water"]
    assert (await admin.ask("POST", "/boxes/box-a/revoke"))[1]["box"]["state"] == "revoked"
    assert (await box.batch(box.row("e2")))[0] == 401
    assert len((await admin.ask("GET", "/events"))[1]["events"]) == 1


@pytest.mark.parametrize("places", ["embedded"], indirect=True)
async def test_a_hostile_query_or_body_is_told_so(served):
    admin = await served.person("ann")
    for path in (
        "/boxes?limit=0",
        "/events?start_time=now",
        "/boxes/' OR 1=1",
        "/events?cursor=%00",
        "/nothing",
    ):
        assert (await admin.ask("GET", path))[0] in (400, 404), path
    for body in (
        {},
        {"name": ""},
        {"name": "a\x00"},
        {"name": "x", "time_zone": "Mars"},
        {"name": "x", "latitude": 99},
    ):
        assert (await admin.ask("POST", "/sites", body))[0] == 400, body
