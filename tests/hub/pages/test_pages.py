"""Pages over HTTP, on both databases: who sees what, and what strangers' names become."""

import re

import pytest

from appliance.base.clock import rfc3339
from appliance.hub.store import boxes, sites
from appliance.hub.store.sites import Site

HOSTILE = '<img src=x onerror="alert(1)">"\'&'
EVERYBODY = ("/", "/?view=map", "/events", "/alerts", "/clips", "/delivery", "/rollouts", "/settings/account")
ADMINS = ("/settings/people", "/settings/sites", "/settings/codes", "/settings/audit")


@pytest.fixture
async def fleet(served):
    """Two sites, a box at each; the one in Oslo is called what no box should be called."""
    for site in (Site("berlin", "Berlin"), Site("oslo", HOSTILE, latitude=59.9, longitude=10.7)):
        await served.hub.store.write(lambda s=site: sites.put(s))
    near, far = await served.box("box-near", site_id="berlin"), await served.box("box-far", site_id="oslo")
    await served.hub.store.write(lambda: boxes.change("box-far", HOSTILE, "oslo", '["<b>tag</b>"]'))
    for box in (near, far):
        await box.beat(status="degraded", detail=HOSTILE, version=HOSTILE, cameras_total=4)
        event = box.row(f"e-{box.id}")
        event["body"] |= {"class_name": HOSTILE, "camera_id": HOSTILE, "metadata": {"detail": HOSTILE}}
        alert = {
            "id": f"a-{box.id}", "event_id": f"e-{box.id}", "severity": "critical", "status": "new",
            "camera_id": HOSTILE, "created_at": rfc3339(served.clock.now_ns()), "notes": [HOSTILE, 7],
        }  # fmt: skip
        said = await box.batch(event, box.row(f"a-{box.id}", "alert", alert))
        assert said[1]["acknowledged"] == [f"e-{box.id}", f"a-{box.id}"], said
        assert (await box.begin(f"c-{box.id}", b"0123456789", kind="small_clip"))[0] == 201
        await box.chunk(f"c-{box.id}", 0, b"01234")
    return near, far


async def get(person, path):
    """(status, the page). Pages are no part of the API, so they are asked for by their own address."""
    response = await person.client.get(path, headers=person.headers, allow_redirects=False)
    return response.status, await response.text(), response.headers


async def test_a_stranger_is_led_to_the_sign_in_and_comes_back(served):
    for path in (*EVERYBODY, *ADMINS, "/boxes/box-near"):
        response = await served.client.get(path, allow_redirects=False)
        assert response.status == 303, path
        assert (
            response.headers["Location"].startswith("/login?next=%2F")
            or "next=/" in response.headers["Location"]
        )
    page = await (await served.client.get("/login?next=//evil.example")).text()
    assert "evil.example" not in page


async def test_nothing_that_a_box_says_becomes_markup(served, fleet):
    admin = await served.person("root")
    paths = (
        *EVERYBODY, *ADMINS, "/boxes/box-far", "/sites/oslo", "/events/box-far/e-box-far",
        "/clips/box-far/c-box-far",
    )  # fmt: skip
    for path in paths:
        status, text, headers = await get(admin, path)
        assert status == 200, (path, text[:500])
        assert "<img src=x" not in text and "<b>tag" not in text, path
        assert 'onerror="alert' not in text, path
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "unsafe-inline" not in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)", text) and not re.search(
            r"\sstyle=|\son[a-z]+=['\"]", text
        )
    assert "&lt;img src=x" in (await get(admin, "/"))[1]


async def test_a_person_of_some_sites_cannot_tell_that_others_exist(served, fleet):
    limited = await served.person("limited", "operator", ("berlin",))
    for path in EVERYBODY:
        status, text, _ = await get(limited, path)
        assert status == 200 and "box-far" not in text and "oslo" not in text, path
    for path in ("/boxes/box-far", "/sites/oslo", "/events/box-far/e-box-far", "/clips/box-far/c-box-far"):
        status, text, _ = await get(limited, path)
        unknown = await get(limited, path.replace("far", "none").replace("oslo", "none"))
        assert status == unknown[0] == 404, path
        assert text.count("box-far") <= 1 and HOSTILE not in text
    assert "box-near" in (await get(limited, "/"))[1]
    assert (await limited.ask("POST", "/boxes/box-far/commands", {"kind": "ping"}))[0] == 404
    assert (await limited.ask("POST", "/alerts/box-far/a-box-far/ack", {}))[0] == 404


async def test_what_a_role_may_not_do_is_not_drawn_and_not_obeyed(served, fleet):
    viewer, operator = await served.person("v", "viewer"), await served.person("o", "operator")
    for path in ADMINS:
        assert (await get(viewer, path))[0] == 403
        assert (await get(operator, path))[0] == 403
    seen, ordered = (await get(viewer, "/boxes/box-near"))[1], (await get(operator, "/boxes/box-near"))[1]
    assert "data-order" not in seen and "clip-form" not in seen
    assert "data-order" in ordered and "patch-form" not in ordered and "box-form" not in ordered
    assert "data-acknowledge" not in (await get(viewer, "/alerts"))[1]
    assert "data-acknowledge" in (await get(operator, "/alerts"))[1]
    assert (await viewer.ask("POST", "/boxes/box-near/commands", {"kind": "ping"}))[0] == 403
    patch = {"kind": "patch_settings", "body": {"patch": {}, "preview": True}}
    assert (await operator.ask("POST", "/boxes/box-near/commands", patch))[0] == 403
    assert (await operator.ask("POST", "/invitations", {"url": "https://h", "code": "abcd"}))[0] == 403


async def test_an_admin_of_some_sites_keeps_no_people(served, fleet):
    limited = await served.person("berliner", "admin", ("berlin",))
    for path in ADMINS:
        assert (await get(limited, path))[0] == 403
    assert "/settings/people" not in (await get(limited, "/settings/account"))[1]
    person = {"username": "x", "password": "three unrelated words", "role": "admin"}
    for method, path, body in (
        ("POST", "/users", person), ("GET", "/users", None), ("POST", "/codes", {}), ("GET", "/codes", None),
        ("POST", "/sites", {"name": "New"}), ("DELETE", "/sites/oslo", None), ("GET", "/audit", None),
        ("POST", "/invitations", {"url": "https://h", "code": "abcd"}),
    ):  # fmt: skip
        assert (await limited.ask(method, path, body))[0] == 403, path
    for site_id, status in (("berlin", 200), ("oslo", 400), (None, 400)):
        said = await limited.ask("PUT", "/boxes/box-near", {"name": "Near", "site_id": site_id})
        assert said[0] == status, site_id


async def test_worst_first_and_filtered(served, fleet):
    admin = await served.person("root")
    await served.box("box-new")
    fine = await served.box("box-fine")
    await fine.beat()
    behind = await served.box("box-behind")
    figures = {"owed": 2000, "acknowledged": 0, "tombstoned": 0, "waiting": 2000, "in_flight": 0, "parked": 0}
    await behind.beat(delivery={"event": figures})
    order = re.findall(r'data-box="([a-z-]+)" data-state="([a-z_]+)"', (await get(admin, "/"))[1])
    assert [state for _, state in order] == ["critical", "critical", "parked", "never_heard", "ok"]
    for query, wanted in (
        ("state=ok", ["box-fine"]), ("state=parked", ["box-behind"]), ("q=BOX-F", ["box-far", "box-fine"]),
        ("site=berlin", ["box-near"]), ("tag=%3Cb%3Etag%3C%2Fb%3E", ["box-far"]),
        ("version=1.0&state=ok", ["box-fine"]),
    ):  # fmt: skip
        found = re.findall(r'data-box="([a-z-]+)"', (await get(admin, f"/?{query}"))[1])
        assert sorted(found) == sorted(wanted), query
    assert "No box matches" in (await get(admin, "/?q=nothing-like-this"))[1]


async def test_events_are_found_by_what_was_seen(served, fleet):
    admin, near = await served.person("root"), fleet[0]
    row = near.row("e-car")
    row["body"] |= {"class_name": "car", "severity": "info", "type": "line_cross"}
    await near.batch(row)
    for query in ("class=car", "severity=info&type=line_cross", "box=box-near&severity=info", "camera=gate"):
        found = re.findall(r'href="/events/box-[a-z]+/([a-z-]+)"', (await get(admin, f"/events?{query}"))[1])
        assert found == ["e-car"], query
    assert "No event matches" in (await get(admin, "/events?class=bicycle"))[1]
    assert (await get(admin, "/events?date=never"))[0] == 400
    assert (await get(admin, "/events?cursor=AAAA"))[0] == 400


async def test_both_ends_figures_stand_beside_each_other(served, fleet):
    admin, near = await served.person("root"), fleet[0]
    good = {"owed": 5, "acknowledged": 1, "tombstoned": 1, "waiting": 1, "in_flight": 1, "parked": 1}
    await near.beat(delivery={"event": good, "alert": good | {"acknowledged": 3}})
    text = (await get(admin, "/boxes/box-near"))[1]
    assert text.count("does not add up") == 2  # of the alerts, and so of all together
    assert "2 fewer" in text  # three acknowledged, by the box; one held
    assert "does not add up: alert" in (await get(admin, "/delivery"))[1]


async def test_the_invitation_is_what_a_box_reads(served):
    from appliance.sync.protocol.invitation import parse

    admin = await served.person("root")
    asked = {"url": "https://hub.example:8443/", "code": "ABCD-2345", "sha256": "ab" * 32}
    status, said = await admin.ask("POST", "/invitations", asked)
    assert status == 200
    made = parse(said["invitation"]["text"])
    assert (made.url, made.code, made.sha256) == ("https://hub.example:8443", "ABCD-2345", "ab" * 32)
    assert said["invitation"]["command"].startswith(
        "appliance enrol https://hub.example:8443 ABCD-2345 --sha256 abab"
    )
    assert said["invitation"]["svg"].startswith("<svg")
    for url in ("ftp://x", "https://u:p@x", "https://x/$(reboot)", "https://x';reboot"):
        assert (await admin.ask("POST", "/invitations", asked | {"url": url}))[0] == 400, url
