"""/health/* for supervisors and balancers, /system/* for people."""

import asyncio
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.model import Camera, Check, User
from appliance.base.settings import Settings
from appliance.base.wire import check_json, status_json
from appliance.store import alerts, cameras, settings
from appliance.web.box import Box
from appliance.web.cameras.cameras import status_of
from appliance.web.connections.targets import Row, all_rows, sync_json
from appliance.web.people.access import only_seen, sees
from appliance.web.routes import API, Call, Route, answer
from appliance.web.shapes import HealthAnswer, StatusAnswer


async def live(call: Call) -> web.StreamResponse:
    """The loop turns, or nobody would answer. A dead camera or disk is a state, not a death."""
    return answer({"status": "ok", "checks": []})


async def ready(call: Call) -> web.StreamResponse:
    return _health(call.box.health.checks(), started=call.box.health.started)


async def startup(call: Call) -> web.StreamResponse:
    return _health([], started=call.box.health.started)


async def system_health(call: Call) -> web.StreamResponse:
    checks = call.box.health.checks()
    return answer({"status": worst(checks), "checks": [check_json(check) for check in checks]})


def worst(checks: list[Check]) -> str:
    found = {check.status for check in checks}
    return next((s for s in ("failing", "degraded") if s in found), "ok")


def _health(checks: list[Check], *, started: bool) -> web.Response:
    status = worst(checks) if started else "failing"
    body = {"status": status, "checks": [check_json(check) for check in checks]}
    return answer(body, 503 if status == "failing" else 200)


async def system_status(call: Call) -> web.StreamResponse:
    box, user = call.box, call.user

    def look(conn: sqlite3.Connection) -> tuple[list[Camera], Settings, list[Row], int]:
        targets = all_rows(conn)
        return cameras.list_cameras(conn), settings.load(conn), targets, alerts.active_count(conn)

    found, site, targets, active = await box.db.read(look)
    states = Counter(status_of(box, camera).state for camera in only_seen(user, found))
    streams = box.recorder.stream_statuses() if box.recorder is not None else {}
    return answer(
        {
            "version": box.version,
            "device_id": box.device_id,
            "time": rfc3339(box.clock.now_ns()),
            "time_unsure": box.clock.unsure,
            "site": site.site,
            "disks": await disks(box),
            "cameras": {"total": sum(states.values()), **states},
            "streams": [
                {"camera_id": camera_id, "stream": stream, **status_json(status)}
                for (camera_id, stream), status in sorted(streams.items())
                if sees(user, camera_id)
            ],
            "detector": _detector(box, user),
            "sync": [sync_json(row.target, row.figures) for row in targets],
            "alerts_active": active,
        }
    )


async def disks(box: Box) -> list[dict[str, Any]]:
    """Asked in a thread: a network or failing disk may take its time."""
    return [await asyncio.to_thread(_disk, path) for path in (box.data_path, *box.volume_paths)]


def _disk(path: Path) -> dict[str, Any]:
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        return {"path": str(path), "total_bytes": 0, "free_bytes": 0, "error": error.strerror}
    return {"path": str(path), "total_bytes": usage.total, "free_bytes": usage.free, "error": None}


def _detector(box: Box, user: User) -> dict[str, Any] | None:
    if box.vision is None:
        return None
    state = box.vision.state()
    return {
        "state": state.state,
        "since": rfc3339(state.since_ns),
        "detector": state.detector,
        "reason": state.reason,
        "restarts": state.restarts,
        "cameras": [
            {
                "camera_id": camera_id,
                "fps_wanted": f.fps_wanted,
                "fps_done": f.fps_done,
                "looks_per_s": f.looks_per_s,
                "latency_ms": f.latency_ms,
                "decoder": f.decoder or None,
                "decode_ms": f.decode_ms,
            }
            for camera_id, f in sorted(box.vision.figures().items())
            if sees(user, camera_id)
        ],
    }


ROUTES = (
    Route("GET", "/health/live", None, live, "The process answers", HealthAnswer),
    Route("GET", "/health/ready", None, ready, "The box does its job", HealthAnswer, also=(503,)),
    Route("GET", "/health/startup", None, startup, "Every part has begun", HealthAnswer, also=(503,)),
    Route("GET", f"{API}/system/health", "viewer", system_health, "Checks with since", HealthAnswer),
    Route("GET", f"{API}/system/status", "viewer", system_status, "The box at a glance", StatusAnswer),
)
