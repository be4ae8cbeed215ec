"""Every route × every role × nobody, from the route table itself."""

import json
from typing import Any

import pytest

from appliance.base.model import ROLES
from appliance.web.app import ROUTES
from appliance.web.openapi import plain_path
from appliance.web.routes import Route

WRITERS = [route for route in ROUTES if route.role is not None]
ADMINS = ("/users/", "/targets/", "/channels/", "/models/")  # nouns that belong to no camera
SPAN = "start_time=2026-01-20T14:00:00Z&end_time=2026-01-20T14:10:00Z"


def url(route: Route, camera: str = "gate") -> str:
    nouns = ("zones", "rules", "events", "alerts", "locks")
    noun = next((n for n in nouns if f"/{n}/" in route.path), None)
    id_ = f"{noun[:-1]}-{camera}" if noun else camera
    if "/users/" in route.path:
        id_ = "u-viewer"
    path = plain_path(route.path).replace("{id}", id_).replace("{key}", "nothing").replace("{name}", "motion")
    return f"{path}?{SPAN}"


async def status(site: Any, route: Route, who: str | None, camera: str = "gate") -> int:
    headers = await site.bearer(who) if who else {}
    kind = {} if route.body is None else {"data": "{}", "headers": {"Content-Type": "application/json"}}
    headers |= kind.pop("headers", {})
    async with site.client.request(route.method, url(route, camera), headers=headers, **kind) as response:
        if response.status >= 400:
            error = (await response.json())["error"]
            assert error["kind"] and error["message"]
        return response.status


@pytest.mark.parametrize("route", WRITERS, ids=lambda r: f"{r.method} {plain_path(r.path)}")
async def test_a_stranger_is_refused_everywhere(site: Any, route: Route) -> None:
    assert await status(site, route, None) == 401


@pytest.mark.parametrize("who", ROLES)
async def test_each_role_is_let_in_from_its_own_on(site: Any, who: str) -> None:
    last = "POST /api/v1/auth/logout"  # ends the very sign-in that the others use
    for route in sorted(WRITERS, key=lambda r: f"{r.method} {r.path}" == last):
        if route.method == "DELETE" or route.path == "/api/v1/auth/password":
            continue  # below, and in test_auth
        found = await status(site, route, who)
        allowed = ROLES.index(who) >= ROLES.index(route.role)
        assert (found == 403) is not allowed, (route.method, route.path, who, found)
        assert found != 401 and found < 500


@pytest.mark.parametrize("who", ROLES)
async def test_nobody_below_the_role_deletes(site: Any, who: str) -> None:
    for route in (r for r in WRITERS if r.method == "DELETE"):
        if ROLES.index(who) < ROLES.index(route.role):
            assert await status(site, route, who) == 403


async def test_deletes_do_what_they_say(site: Any) -> None:
    for path in (
        "/locks/lock-gate",
        "/rules/rule-gate",
        "/zones/zone-gate",
        "/cameras/gate",
        "/users/u-viewer",
    ):
        assert (await site.ask("DELETE", path)).status == 204
        assert (await site.ask("DELETE", path)).status == 404


async def test_the_public_ones_are_those_of_the_contract() -> None:
    public = {plain_path(route.path) for route in ROUTES if route.role is None}
    assert public == {
        "/api/v1/auth/login",
        "/api/v1/auth/refresh",
        "/health/live",
        "/health/ready",
        "/health/startup",
        "/metrics",
    }


async def test_a_limited_person_cannot_tell_that_other_cameras_exist(site: Any) -> None:
    for route in WRITERS:
        if "{" not in route.path or any(noun in route.path for noun in ADMINS):
            continue
        if route.path.startswith("/ws/"):
            continue
        body: dict[str, Any] = {}
        if route.body is not None:
            bodies = {
                "CameraBody": {"name": "x", "rtsp_url": "rtsp://h/s"},
                "ZoneBody": {"camera_id": "yard", "name": "x", "kind": "line", "points": [[0, 0], [1, 1]]},
                "RuleBody": {"name": "x", "kind": "zone_enter", "zone_ids": ["zone-yard"]},
                "LockBody": {
                    "start_time": "2026-01-20T14:00:00Z",
                    "end_time": "2026-01-20T14:01:00Z",
                    "reason": "x",
                },
                "AckBody": {},
                "ResolveBody": {"resolution": "test"},
                "MendBody": {},
                "PtzBody": {"stop": True},
                "RelayBody": {"relay": "1", "active": True},
            }
            body = {"json": bodies[route.body.__name__]}
        headers = await site.bearer("limited")
        async with site.client.request(route.method, url(route, "yard"), headers=headers, **body) as response:
            assert response.status == 404, (route.method, route.path, response.status)
            assert "10.0.0.2" not in await response.text()


async def test_lists_of_a_limited_person_hold_only_their_cameras(site: Any) -> None:
    for noun in ("cameras", "events", "alerts", "zones", "rules"):
        everything = await (await site.ask("GET", f"/{noun}")).json()
        mine = await (await site.ask("GET", f"/{noun}", "limited")).json()
        assert len(everything[noun]) == 2 and len(mine[noun]) == 1, noun
        assert "yard" not in json.dumps(mine)
    asked = await (await site.ask("GET", "/events?camera_id=yard", "limited")).json()
    assert asked["events"] == [] and asked["total"] == 0


async def test_a_limited_person_adds_nothing_beyond_their_cameras(site: Any) -> None:
    camera = {"name": "Roof", "rtsp_url": "rtsp://10.0.0.9/s"}
    assert (await site.ask("POST", "/cameras", "limited", json=camera)).status == 403
    rule = {"name": "x", "kind": "zone_enter", "zone_ids": ["zone-yard"]}
    assert (await site.ask("POST", "/rules", "limited", json=rule)).status == 403
    zone = {"camera_id": "yard", "name": "x", "kind": "line", "points": [[0, 0], [1, 1]]}
    assert (await site.ask("POST", "/zones", "limited", json=zone)).status == 404
    assert (await site.ask("POST", "/zones", "limited", json=zone | {"camera_id": "gate"})).status == 201


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "GATE", "x" * 64]
)
async def test_paths_never_leave_their_noun(site: Any, name: str) -> None:
    headers = await site.bearer("admin")
    base = str(site.client.make_url("/"))
    for route in WRITERS:
        if "{id}" not in plain_path(route.path) or route.method not in ("GET", "DELETE"):
            continue
        from yarl import URL

        path = plain_path(route.path).replace("{id}", name).replace("{key}", name)
        target = URL(base.rstrip("/") + path + "?" + SPAN, encoded=True)
        async with site.client.session.request(route.method, target, headers=headers) as response:
            assert response.status in (400, 404, 405), (path, response.status)
            assert b"root:" not in await response.read()


async def test_segment_keys_never_leave_the_archive(site: Any) -> None:
    (site.box.data_path / "film.mp4").write_bytes(b"0123456789")
    found = await site.ask(
        "GET", "/cameras/gate/segments/film.mp4?stream=main", headers={"Range": "bytes=2-4"}
    )
    assert (found.status, await found.read(), found.content_type) == (206, b"234", "video/mp4")
    assert (await site.ask("GET", "/cameras/gate/segments/..%2ffilm.mp4")).status == 404
