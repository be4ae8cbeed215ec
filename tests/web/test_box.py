"""Health, metrics, openapi, headers, users, targets, audit: the rest of the contract's table."""

import re
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from appliance.base.model import Check
from appliance.store import events, outbox, targets
from appliance.store.cameras import KEEP
from appliance.web import model_shapes, shapes
from appliance.web.app import ROUTES
from appliance.web.openapi import plain_path

CONTRACT = """
POST /auth/login;POST /auth/refresh;POST /auth/logout;GET /users;POST /users;PATCH /users/{id}
DELETE /users/{id};GET /settings;PUT /settings;GET /cameras;POST /cameras;GET /cameras/{id};PUT /cameras/{id}
DELETE /cameras/{id};POST /cameras/test;GET /cameras/{id}/snapshot.jpg;GET /cameras/{id}/live
GET /cameras/{id}/recordings;GET /cameras/{id}/clip.mp4;GET /cameras/{id}/playlist.m3u8
POST /cameras/{id}/locks;DELETE /locks/{id};GET /events;GET /events/{id};GET /events/{id}/snapshot.jpg
GET /events/{id}/clip.mp4;GET /alerts;POST /alerts/{id}/ack;POST /alerts/{id}/resolve;GET /zones;POST /zones
PUT /zones/{id};DELETE /zones/{id};GET /rules;POST /rules;PUT /rules/{id};DELETE /rules/{id}
GET /targets/{id};PUT /targets/{id};DELETE /targets/{id};GET /audit;GET /system/health;GET /system/status
GET /openapi.json;GET /models;POST /models/{name}/activate
"""
NAMES = [
    "stream_active",
    "stream_fps",
    "stream_bitrate",
    "stream_reconnect_total",
    "recording_gap_seconds_total",
    "ai_inference_duration_seconds",
    "ai_detection_total",
    "ai_queue_depth",
    "ai_frames_skipped_total",
    "ai_confidence_mean",
    "events_total",
    "alerts_active",
    "alert_ack_duration_seconds",
    "edge_disk_free_bytes",
    "edge_memory_usage_percent",
    "outbox_depth",
    "api_request_duration_seconds",
]


async def test_openapi_has_every_mounted_route_and_the_contract(site: Any) -> None:
    document = await (await site.ask("GET", "/openapi.json", "viewer")).json()
    documented = {(m.upper(), path) for path, item in document["paths"].items() for m in item}
    for resource in site.client.app.router.resources():
        path = resource.canonical
        if path.startswith(("/api/", "/ws/", "/health/", "/metrics")):
            for route in resource:
                if route.method != "HEAD":
                    assert (route.method, path) in documented
    for line in re.split(r"[;\n]", CONTRACT.strip()):
        method, path = line.split()
        assert (method, f"/api/v1{path}") in documented
    assert not any("backtest" in path or "reports" in path for _, path in documented)


async def test_openapi_s_references_resolve_and_bodies_are_described(site: Any) -> None:
    text = await (await site.ask("GET", "/openapi.json")).text()
    document = msgspec.json.decode(text)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in document["components"]["schemas"], name
    ids = []
    for path, item in document["paths"].items():
        for operation in item.values():
            ids.append(operation["operationId"])
            named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
    assert len(ids) == len(set(ids))
    routes = {(r.method, plain_path(r.path)): r for r in ROUTES}
    camera = document["paths"]["/api/v1/cameras"]["post"]
    assert routes["POST", "/api/v1/cameras"].body is not None and "CameraBody" in str(camera["requestBody"])


async def test_answers_have_the_published_shapes(site: Any) -> None:
    for path, shape in (
        ("/cameras", shapes.CamerasAnswer),
        ("/cameras/gate", shapes.CameraAnswer),
        ("/zones", shapes.ZonesAnswer),
        ("/rules", shapes.RulesAnswer),
        ("/events", shapes.EventsAnswer),
        ("/events/event-gate", shapes.EventAnswer),
        ("/alerts", shapes.AlertsAnswer),
        ("/alerts/alert-gate", shapes.AlertAnswer),
        ("/users", shapes.UsersAnswer),
        ("/settings", shapes.SettingsAnswer),
        ("/audit", shapes.AuditAnswer),
        ("/system/health", shapes.HealthAnswer),
        ("/system/status", shapes.StatusAnswer),
        ("/models", model_shapes.ModelsAnswer),
        ("/models/health", model_shapes.ModelHealthAnswer),
        ("/cameras/gate/live", shapes.LiveAnswer),
    ):
        response = await site.ask("GET", path)
        msgspec.json.decode(await response.read(), type=shape)


async def test_events_page_by_cursor_without_repeats(site: Any, make_event: Any) -> None:
    now_ns = site.clock.now_ns()
    for number in range(25):
        event = make_event(f"e-{number:03}", "gate", now_ns + number // 3)
        await site.db.write(lambda c, e=event: events.insert(c, e))
    seen, cursor = [], ""
    while True:
        body = await (await site.ask("GET", f"/events?limit=7{cursor}")).json()
        assert body["total"] == 27 and len(body["events"]) <= 7
        seen += [e["id"] for e in body["events"]]
        if body["next_cursor"] is None:
            break
        cursor = f"&cursor={body['next_cursor']}"
    assert len(seen) == len(set(seen)) == 27
    narrow = await (
        await site.ask("GET", "/events?type=line_cross&type=zone_enter&min_confidence=0.9")
    ).json()
    assert narrow["total"] == 0
    for query in ("limit=0", "limit=1001", "min_confidence=2", "min_confidence=nan", "severity=grave"):
        assert (await site.ask("GET", f"/events?{query}")).status == 400


async def test_health(site: Any) -> None:
    get = site.client.get
    ready = await get("/health/ready")
    assert ready.status == 200 and (await ready.json())["checks"][0]["name"] == "disk"
    site.health.found = [Check("disk", "failing", "it is gone", 0), Check("sync", "degraded", "slow", 0)]
    ready = await get("/health/ready")
    assert ready.status == 503 and (await ready.json())["status"] == "failing"
    assert (await get("/health/live")).status == 200
    site.health.started = False
    assert (await get("/health/startup")).status == 503
    health = await site.ask("GET", "/system/health", "viewer")
    assert health.status == 200 and (await health.json())["status"] == "failing"


async def test_metrics_have_the_names_of_the_contract(site: Any) -> None:
    await site.ask("POST", "/alerts/alert-gate/ack", "operator")
    text = await (await site.client.get("/metrics")).text()
    for name in NAMES:
        assert re.search(rf"^# TYPE {name} ", text, re.MULTILINE), name
    assert 'stream_active{camera_id="gate",stream="main"} 1.0' in text
    assert "alerts_active 2.0" in text and "alert_ack_duration_seconds_count 1.0" in text
    assert 'route="/api/v1/alerts/{id}/ack",status="200"' in text
    assert text.count("# TYPE api_request_duration_seconds histogram") == 1


async def test_metrics_are_for_this_machine_or_the_signed_in(site: Any) -> None:
    foreign = {"X-Forwarded-For": "203.0.113.5"}
    assert (await site.client.get("/metrics", headers=foreign)).status == 401
    assert (await site.client.get("/metrics", headers=foreign | await site.bearer("viewer"))).status == 200


async def test_every_answer_carries_the_security_headers(site: Any) -> None:
    for path in ("/api/v1/cameras", "/login", "/health/live", "/nothing", "/static/nothing.js", "/metrics"):
        response = await site.client.get(path)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Strict-Transport-Security" not in response.headers  # plain loopback
        assert "aiohttp" not in response.headers["Server"]


async def test_over_tls_cookies_are_secure_and_hsts_is_on(site: Any, tmp_path: Any) -> None:
    from aiohttp.test_utils import TestClient, TestServer

    from appliance.base.clock import BoxClock
    from appliance.system import tls
    from appliance.web.app import make_app

    server = TestServer(make_app(site.box), scheme="https", host="127.0.0.1")
    await server.start_server(ssl=tls.own(tmp_path / "secrets", BoxClock()).context)
    async with TestClient(server) as client:
        body = {"username": "viewer", "password": "a horse in the rain"}
        response = await client.post("/api/v1/auth/login", json=body, ssl=False)
        assert response.status == 200
        assert all("Secure" in cookie for cookie in response.headers.getall("Set-Cookie"))
        assert response.headers["Strict-Transport-Security"].startswith("max-age=")


async def test_a_viewer_sees_how_far_sync_is_but_not_where_it_goes(site: Any) -> None:
    await site.ask("PUT", "/targets/cloud", json={"url": "https://cloud.example/in", "token": "x"})
    response = await site.ask("GET", "/system/status", "viewer")
    body = await response.json()
    assert [target["id"] for target in body["sync"]] == ["cloud"]
    assert "cloud.example" not in await response.text()
    assert body["cameras"] == {"total": 2, "recording": 2} and body["detector"]["state"] == "running"
    (figures,) = body["detector"]["cameras"]
    assert figures["camera_id"] == "gate" and (figures["fps_done"], figures["fps_wanted"]) == (5.0, 5.0)
    assert (figures["decoder"], figures["decode_ms"]) == ("software", 0.4)


async def test_static_files_are_validated_by_etag_and_stay_inside(site: Any) -> None:
    from appliance.web.pages.view import ui_path

    name = next(p for p in sorted((ui_path() / "static").rglob("*.js")))
    path = f"/static/{name.relative_to(ui_path() / 'static')}"
    response = await site.client.get(path)
    assert response.status == 200 and "javascript" in response.content_type
    again = await site.client.get(path, headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304 and response.headers["Cache-Control"] == "no-cache"
    assert (await site.client.get("/static/%2e%2e/templates/login.html")).status in (403, 404)


async def test_users(site: Any) -> None:
    body = {"username": "Eve", "password": "a cat in the sunshine", "role": "viewer", "camera_ids": ["gate"]}
    made = await site.ask("POST", "/users", json=body)
    user = (await made.json())["user"]
    assert made.status == 201 and user["camera_ids"] == ["gate"] and "sunshine" not in await made.text()
    assert (await site.ask("POST", "/users", json=body | {"username": "eve"})).status == 409
    assert (await site.login("EVE", "a cat in the sunshine")).status == 200
    site.client.session.cookie_jar.clear()
    path = f"/users/{user['id']}"
    changed = await site.ask("PATCH", path, json={"role": "operator", "camera_ids": None})
    assert (await changed.json())["user"] | {"role": "operator", "camera_ids": None} == (
        await changed.json()
    )["user"]
    assert (await site.ask("PATCH", path, json={"password": "another long sentence"})).status == 200
    assert (await site.login("eve", "a cat in the sunshine")).status == 401
    assert (await site.ask("DELETE", path)).status == 204


async def test_the_last_admin_stays(site: Any) -> None:
    assert (await site.ask("DELETE", "/users/u-new")).status == 204
    for method, body in (("DELETE", None), ("PATCH", {"disabled": True}), ("PATCH", {"role": "viewer"})):
        response = await site.ask(method, "/users/u-admin", json=body)
        assert response.status == 409, method
    assert (await site.ask("GET", "/users")).status == 200


async def test_targets_keep_their_token_to_themselves(site: Any) -> None:
    body = {"kind": "https", "url": "https://cloud.example/in", "token": "s3cret-token", "enabled": True}
    made = await site.ask("PUT", "/targets/cloud", json=body)
    target = (await made.json())["target"]
    assert made.status == 200 and target["has_token"] and target["owed"] == 0 and target["oldest"] is None
    now_ns = site.clock.now_ns()
    await site.db.write(lambda c: outbox.enqueue(c, ["cloud"], "row-1", "event", b"{}", now_ns))
    shown = await site.ask("GET", "/targets/cloud")
    figures = (await shown.json())["target"]
    assert (figures["owed"], figures["waiting"]) == (1, 1) and "s3cret" not in await shown.text()
    assert (
        await site.ask("PUT", "/targets/cloud", json={"url": "https://cloud.example/other"})
    ).status == 200
    sealed = await site.db.read(lambda c: targets.secret(c, "cloud"))
    assert sealed is not None and site.box.sealer.open(sealed, "target/cloud") == b"s3cret-token"
    stranger = await site.ask("PUT", "/targets/cloud", json={"url": "https://evil.example/in"})
    assert stranger.status == 400 and (await stranger.json())["error"]["field"] == "token"
    for url in (
        "http://cloud.example/",
        "https://u:p@cloud.example/",
        "https://",
        "ftp://x/",
        "https://h:99999/",
    ):
        assert (await site.ask("PUT", "/targets/cloud", json={"url": url})).status == 400, url
    bad_ca = await site.ask("PUT", "/targets/cloud", json=body | {"ca": "no pem"})
    assert bad_ca.status == 400 and (await bad_ca.json())["error"]["field"] == "ca"
    assert (await site.ask("DELETE", "/targets/cloud")).status == 204
    assert (await site.ask("GET", "/targets/cloud")).status == 404
    assert KEEP is not None and site.changed == ["targets"] * 3


async def test_a_zone_in_use_is_not_pulled_from_under_its_rule(site: Any) -> None:
    response = await site.ask("DELETE", "/zones/zone-gate")
    assert response.status == 409 and "gate rule" in (await response.json())["error"]["message"]
    line = {"camera_id": "gate", "name": "x", "kind": "line", "points": [[0, 0], [1, 1]]}
    assert (await site.ask("PUT", "/zones/zone-gate", json=line)).status == 409
    moved = {"camera_id": "yard", "name": "x", "kind": "polygon", "points": [[0, 0], [1, 0], [1, 1]]}
    assert (await site.ask("PUT", "/zones/zone-gate", json=moved)).status == 400
    assert (await site.ask("PUT", "/zones/zone-gate", json=moved | {"camera_id": "gate"})).status == 200


async def test_rules_round_trip(site: Any) -> None:
    body = {
        "name": "Night", "kind": "zone_exit", "zone_ids": ["zone-gate"], "classes": ["person"],
        "severity": "critical",
        "schedule": {"windows": [{"days": ["mon", "sun"], "from": "22:00", "to": "06:00"}]}, "cooldown_s": 5,
        "actions": [{"kind": "notify"}],
    }  # fmt: skip
    made = await site.ask("POST", "/rules", json=body)
    rule = (await made.json())["rule"]
    assert made.status == 201 and {k: rule[k] for k in body} == body
    replaced = await site.ask("PUT", f"/rules/{rule['id']}", json=rule | {"enabled": False})
    assert (await replaced.json())["rule"] == rule | {"enabled": False}
    assert site.changed == ["rules", "rules"]
    wrong = {"days": ["mon"], "from": "7 pm", "to": "06:00"}
    assert (await site.ask("POST", "/rules", json=body | {"schedule": {"windows": [wrong]}})).status == 400


async def test_a_camera_s_own_events_and_relays_are_for_rules(site: Any) -> None:
    relay = {"kind": "relay", "camera_id": "gate", "relay": "R1", "seconds": 5}
    body = {"name": "T", "kind": "tamper", "camera_ids": ["gate"], "params": {"source": "input"}}
    made = await site.ask("POST", "/rules", "installer", json=body | {"actions": [relay]})
    rule = (await made.json())["rule"]
    assert made.status == 201 and rule["actions"] == [relay] and rule["params"] == {"source": "input"}


async def test_a_part_that_is_missing_is_503_with_a_hint(site: Any) -> None:
    site.box.archive = site.box.vision = site.box.desk = site.box.recorder = site.box.probe = None
    span = "start_time=2026-01-20T14:00:00Z&end_time=2026-01-20T14:10:00Z"
    for method, path, body in (
        ("GET", f"/cameras/gate/recordings?{span}", None),
        ("GET", "/cameras/gate/snapshot.jpg", None),
        ("GET", "/cameras/gate/live", None),
        ("POST", "/alerts/alert-gate/ack", {}),
        ("POST", "/cameras/test", {"rtsp_url": "rtsp://h/"}),
    ):
        response = await site.ask(method, path, json=body)
        assert response.status == 503 and (await response.json())["error"]["hint"]
    assert (await site.ask("GET", "/cameras")).status == 200
    assert (await site.ask("GET", "/system/status")).status == 200
    assert (await site.client.get("/metrics")).status == 200


async def test_what_was_stored_is_stored_though_it_cannot_be_applied(site: Any, caplog: Any) -> None:
    async def fails(noun: str) -> None:
        raise RuntimeError("a thread did not end")

    site.box.changed = fails
    made = await site.ask("POST", "/cameras", json={"name": "Roof", "rtsp_url": "rtsp://h/"})
    assert made.status == 201 and "not applied" in caplog.text
    assert (await site.ask("GET", "/cameras/roof")).status == 200


async def test_what_goes_wrong_inside_stays_inside(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*args: Any) -> Any:
        raise RuntimeError("rtsp://bob:s3cret@10.0.0.9/ could not be opened")

    site.archive.recordings = broken
    span = "start_time=2026-01-20T14:00:00Z&end_time=2026-01-20T14:10:00Z"
    response = await site.ask("GET", f"/cameras/gate/recordings?{span}")
    text = await response.text()
    assert response.status == 500 and "s3cret" not in text and "Traceback" not in text
    assert "internal" in text and caplog.records


def test_the_web_brings_no_heavy_library_into_the_daemon() -> None:
    heavy = "[m for m in ('numpy', 'av', 'onnxruntime') if m in sys.modules]"
    code = f"import sys, appliance.web.app; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
