"""What strangers send never ends in a 500, a traceback, or something half-written."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.store import cameras
from appliance.web import params
from appliance.web.app import ROUTES
from appliance.web.openapi import plain_path

SQL = "x'); DROP TABLE cameras; --"
TRIANGLE = [[0, 0], [1, 0], [1, 1]]
CAMERA = {"name": "Roof", "rtsp_url": "rtsp://10.0.0.9/s"}
ZONE = {"camera_id": "gate", "name": "Z", "kind": "polygon", "points": [[0, 0], [1, 0], [1, 1]]}
RULE = {"name": "R", "kind": "zone_enter", "zone_ids": ["zone-gate"]}
RELAY = {"kind": "relay", "camera_id": "gate", "relay": "R1", "seconds": 5}
TAMPER = {"name": "T", "kind": "tamper", "camera_ids": ["gate"], "params": {"source": "camera"}}
USER = {"username": "eve", "password": "a cat in the sunshine", "role": "viewer"}


async def refused(
    site: Any, method: str, path: str, body: Any, field: str | None = None, status: int = 400
) -> Any:
    response = await site.ask(method, path, json=body)
    error = (await response.json()).get("error", {})
    assert response.status == status, (response.status, error)
    assert error["message"] and error["hint"]
    if field is not None:
        assert error.get("field") == field, error
    return error


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/cameras", CAMERA | {"name": 5}, "name"),
        ("/cameras", CAMERA | {"name": ""}, "name"),
        ("/cameras", CAMERA | {"name": "x" * 101}, "name"),
        ("/cameras", CAMERA | {"name": "a\x00b"}, "name"),
        ("/cameras", CAMERA | {"name": "a\nb"}, "name"),
        ("/cameras", CAMERA | {"surprise": 1}, "surprise"),
        ("/cameras", CAMERA | {"detect": {"fps": 0}}, "detect.fps"),
        ("/cameras", CAMERA | {"detect": {"fps": "5"}}, "detect.fps"),
        ("/cameras", CAMERA | {"detect": {"fps": 1e-320}}, "detect.fps"),
        ("/cameras", CAMERA | {"detect": {"masks": [[[0, 0], [1, 1]]]}}, "detect.masks[0]"),
        (
            "/cameras",
            CAMERA | {"detect": {"masks": [TRIANGLE, [[0, 0], [1, 1], [1, 0], [0, 1]]]}},
            "detect.masks[1]",
        ),
        ("/cameras", CAMERA | {"detect": {"masks": [[[0, 0], [2, 0], [1, 1]]]}}, None),
        ("/cameras", CAMERA | {"detect": {"masks": [TRIANGLE] * 33}}, "detect.masks"),
        ("/cameras", CAMERA | {"retention_days": 1e-320}, "retention_days"),
        ("/cameras", CAMERA | {"retention_days": -1}, "retention_days"),
        ("/cameras", CAMERA | {"rtsp_url": "ftp://x/y"}, "rtsp_url"),
        ("/cameras", CAMERA | {"rtsp_url": "file:///etc/passwd"}, "rtsp_url"),
        ("/cameras", CAMERA | {"sub_url": "rtsp://h:99999/x"}, "sub_url"),
        ("/cameras", {"name": "Roof"}, "rtsp_url"),
        ("/cameras", [], None),
        ("/zones", ZONE | {"points": [[0, 0], [1, 1]]}, "points"),
        ("/zones", ZONE | {"points": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "points"),
        ("/zones", ZONE | {"points": [[0, 0], [2, 0], [1, 1]]}, None),
        ("/zones", ZONE | {"camera_id": "nowhere"}, "camera_id"),
        ("/rules", RULE | {"params": {"nonsense": 1}}, "params.nonsense"),
        ("/rules", RULE | {"kind": "crowd"}, "kind"),
        ("/rules", RULE | {"kind": "dance"}, "kind"),
        ("/rules", RULE | {"zone_ids": ["nowhere"]}, "zone_ids[0]"),
        ("/rules", RULE | {"camera_ids": ["nowhere"]}, "camera_ids"),
        ("/rules", RULE | {"actions": [{"kind": "explode"}]}, "actions.0.kind"),
        ("/rules", RULE | {"min_confidence": 1.5}, "min_confidence"),
        ("/rules", RULE | {"actions": [{"kind": "notify"}, {"kind": "relay"}]}, "actions.1"),
        ("/rules", RULE | {"actions": [RELAY | {"seconds": 1e9}]}, "actions.0"),
        ("/rules", RULE | {"actions": [RELAY | {"camera_id": "nowhere"}]}, "actions.0.camera_id"),
        ("/rules", {"name": "T", "kind": "tamper", "camera_ids": ["gate"]}, "params.source"),
        ("/rules", TAMPER | {"params": {"source": "camera", "speed": 1}}, "params.speed"),
        ("/users", USER | {"password": "short"}, "password"),
        ("/users", USER | {"role": "god"}, "role"),
        ("/users", USER | {"role": "admin", "camera_ids": ["gate"]}, "camera_ids"),
        ("/users", USER | {"camera_ids": ["nowhere"]}, "camera_ids"),
        ("/cameras/gate/locks", {"start_time": "yesterday", "end_time": "now", "reason": "x"}, "start_time"),
    ],
)
async def test_bad_input_names_its_field(site: Any, path: str, body: Any, field: str | None) -> None:
    await refused(site, "POST", path, body, field)
    assert site.changed == []


async def test_settings_are_checked(site: Any) -> None:
    for body, field in (
        ({"site": {"time_zone": "Mars/Base"}}, "site.time_zone"),
        ({"retention": {"days": 0}}, "retention.days"),
        ({"retention": {"max_bytes": "many"}}, "retention.max_bytes"),
        ({"night": {"from": "25:00", "to": "06:00"}}, "night.from"),
        ({"colour": "red"}, "colour"),
    ):
        await refused(site, "PUT", "/settings", body, field)
    good = {"retention": {"days": 7}, "site": {"name": "Depot", "time_zone": "Europe/Berlin"}}
    saved = await (await site.ask("PUT", "/settings", json=good)).json()
    assert saved == await (await site.ask("GET", "/settings")).json()
    assert saved["settings"]["retention"]["days"] == 7 and site.changed == ["settings"]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"null", b"\xff\xfe", b'{"name":"\\ud800"}', b"[" * 200_000, b"NaN"]
)
async def test_what_is_not_json_is_400(site: Any, raw: bytes) -> None:
    response = await site.ask("POST", "/cameras", data=raw, headers={"Content-Type": "application/json"})
    assert response.status == 400 and (await response.json())["error"]["kind"] == "invalid"


async def test_other_content_types_are_415(site: Any) -> None:
    response = await site.ask("POST", "/cameras", data={"name": "x"})
    assert response.status == 415


async def test_a_hundred_megabytes_are_refused_and_not_kept(site: Any) -> None:
    headers = {"Content-Type": "application/json"}
    response = await site.ask("POST", "/cameras", data=io.BytesIO(b" " * 100_000_000), headers=headers)
    assert response.status == 413 and (await response.json())["error"]["hint"]

    async def endless() -> Any:
        for _ in range(40):
            yield b" " * 100_000

    response = await site.ask("POST", "/cameras", data=endless(), headers=headers)
    assert response.status == 413


async def test_unknown_addresses_and_methods_have_the_shape_of_errors(site: Any) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("DELETE", "/cameras", 405),
        ("DELETE", "/models", 405),
        ("POST", "/model", 404),
    ):
        response = await site.ask(method, path)
        assert response.status == status
        assert set((await response.json())["error"]) >= {"kind", "message", "hint"}
    assert (await site.ask("GET", "/rules/backtest")).status in (404, 405)


async def test_sql_in_every_string_is_only_text(site: Any) -> None:
    made = await (await site.ask("POST", "/cameras", json=CAMERA | {"name": SQL})).json()
    assert made["camera"]["name"] == SQL and made["camera"]["id"] == "x-drop-table-cameras"
    for path in (
        f"/events?camera_id={SQL}&type={SQL}&class_name={SQL}",
        f"/alerts?camera_id={SQL}",
        f"/zones?camera_id={SQL}",
    ):
        response = await site.ask("GET", path)
        noun = path[1:].split("?")[0]
        assert response.status == 200 and (await response.json())[noun] == []
    for path in (
        f"/events?cursor={SQL}",
        f"/events?severity={SQL}",
        f"/audit?cursor={SQL}",
        f"/events?limit={SQL}",
    ):
        assert (await site.ask("GET", path)).status == 400
    assert (await site.login(SQL, SQL)).status == 401
    assert (await site.ask("POST", "/users", json=USER | {"username": SQL})).status == 201
    assert (await site.ask("POST", "/zones", json=ZONE | {"name": SQL})).status == 201
    assert (await site.ask("POST", "/rules", json=RULE | {"name": SQL, "classes": [SQL]})).status == 201
    assert len(await site.db.read(cameras.list_cameras)) == 3


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
BASES = {
    "CameraBody": CAMERA,
    "ZoneBody": ZONE,
    "RuleBody": RULE,
    "NewUser": USER,
    "TargetBody": {"url": "https://h/x"},
}


@pytest.mark.parametrize(
    "route",
    [r for r in ROUTES if r.body is not None and not r.path.endswith("/auth/password")],
    ids=lambda r: f"{r.method} {plain_path(r.path)}",
)
async def test_no_body_whatever_is_a_500(site: Any, route: Any) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    base = BASES.get(getattr(route.body, "__name__", ""), {})
    names = list(getattr(route.body, "__struct_fields__", ["x"]))
    path = plain_path(route.path).removeprefix("/api/v1")
    noun = path.split("/")[1]
    path = path.replace("{id}", {"cameras": "gate", "users": "u-viewer"}.get(noun, f"{noun[:-1]}-gate"))
    cases: list[Any] = []

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(values | st.dictionaries(st.sampled_from(names), values, max_size=3).map(lambda d: base | d))
    def collect(body: Any) -> None:
        cases.append(body)

    await loop.run_in_executor(None, collect)
    for body in cases:
        raw = json.dumps(body).encode()
        response = await site.ask(route.method, path, data=raw, headers={"Content-Type": "application/json"})
        assert response.status < 500, (body, await response.text())
        if response.status >= 400:
            assert "Traceback" not in await response.text()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_no_query_whatever_is_a_500(site: Any, method: str) -> None:
    import asyncio

    text = st.text(max_size=20) | st.sampled_from(
        [
            "2026-01-20T14:00:00Z",
            "0001-01-01T00:00:00Z",
            "-1",
            "1e400",
            "nan",
            "main",
            "a.b",
            "MTAuYQ",
            "9" * 25,
        ]
    )
    queries: list[dict[str, str]] = []

    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        names = [
            "limit",
            "cursor",
            "start_time",
            "end_time",
            "stream",
            "time",
            "box",
            "min_confidence",
            "camera_id",
        ]
        queries.append(
            data.draw(st.dictionaries(st.sampled_from([*names, "severity", "status"]), text, max_size=4))
        )

    await asyncio.get_running_loop().run_in_executor(None, collect)
    for route in ROUTES:
        if route.method != "GET" or route.path.startswith("/ws/"):
            continue
        path = plain_path(route.path).removeprefix("/api/v1")
        noun = path.split("/")[1]
        path = path.replace("{key}", "x").replace(
            "{id}", "gate" if noun == "cameras" else f"{noun[:-1]}-gate"
        )
        for query in queries:
            response = await site.ask(method, path, params=query)
            assert response.status < 500, (path, query, await response.text())


@pytest.mark.parametrize("ca", ["", " ", "é", "-----BEGIN CERTIFICATE-----\n🦊\n-----END CERTIFICATE-----"])
async def test_what_is_no_certificate_is_refused_and_not_stored(site: Any, ca: str) -> None:
    body = {"kind": "https", "url": "https://cloud.example/in", "ca": ca}
    await refused(site, "PUT", "/targets/cloud", body, "ca")
    assert site.changed == []


async def test_a_body_that_is_not_what_its_encoding_says_is_400(site: Any) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await site.ask("POST", "/cameras", data=b"{}", headers=headers)
    assert response.status == 400
    assert (await response.json())["error"]["kind"] == "invalid"


async def test_a_body_that_never_comes_is_408(site: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(params, "PATIENCE_S", 0.05)

    async def dribble() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(2)
        yield b"}"

    headers = {"Content-Type": "application/json"}
    response = await site.ask("POST", "/cameras", data=dribble(), headers=headers)
    assert response.status == 408
    assert (await response.json())["error"]["kind"] == "invalid"


async def test_a_static_name_longer_than_a_file_name_is_404(site: Any) -> None:
    response = await site.client.get("/static/" + "a" * 5000)
    assert response.status == 404
    assert (await response.json())["error"]["kind"] == "not_found"
