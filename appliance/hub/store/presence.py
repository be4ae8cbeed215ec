"""Heartbeats, and what follows from their absence: said once, whichever instance notices."""

import msgspec

from appliance.base.clock import rfc3339
from appliance.base.ids import uuid7
from appliance.hub.store.steps import Steps, every, one, run
from appliance.sync.protocol.heartbeat import STOPPING


def heard(
    box_id: str,
    body: str,
    status: str,
    version: str,
    clock_offset_ns: int,
    parked: int,
    waiting: int,
    now_ns: int,
) -> Steps[bool]:
    """Write a heartbeat down; True where the box was offline, which makes an event."""
    was = yield from one(
        "UPDATE boxes SET presence = 'online', presence_ns = $2 WHERE id = $1 AND presence <> 'online'"
        " RETURNING heartbeat_ns, status",
        box_id, now_ns,
    )  # fmt: skip
    yield from run(
        "UPDATE boxes SET heartbeat_ns = $2, seen_ns = $2, heartbeat = $3, status = $4, version = $5,"
        " clock_offset_ns = $6, parked = $7, waiting = $8 WHERE id = $1",
        box_id, now_ns, body, status, version, clock_offset_ns, parked, waiting,
    )  # fmt: skip
    back = was is not None and was["heartbeat_ns"] is not None
    if back and was is not None:
        silent_s = (now_ns - was["heartbeat_ns"]) // 1_000_000_000
        words = "started again" if was["status"] == STOPPING else "heard again"
        yield from _tell(box_id, "box_online", "info", f"{words} after {silent_s} s", now_ns)
    return back


def missed(before_ns: int, now_ns: int) -> Steps[list[str]]:
    """Boxes that were online and whose last heartbeat is older than ``before_ns`` are offline from now
    on, each with an event; their ids."""
    rows = yield from every(
        "UPDATE boxes SET presence = 'offline', presence_ns = $2"
        " WHERE presence = 'online' AND heartbeat_ns < $1 RETURNING id, heartbeat_ns, status",
        before_ns, now_ns,
    )  # fmt: skip
    for row in rows:
        at = rfc3339(row["heartbeat_ns"])
        on_purpose = f"stopped at {at}, on purpose, and not started again since"
        detail = on_purpose if row["status"] == STOPPING else f"last heard at {at}"
        yield from _tell(row["id"], "box_offline", "warning", detail, now_ns)
    return [row["id"] for row in rows]


def _tell(box_id: str, type_: str, severity: str, detail: str, now_ns: int) -> Steps[None]:
    """An event of the hub's own, in the contract's shape; no row of the box's, so in no count of them."""
    id_, at = uuid7(now_ns), rfc3339(now_ns)
    body = {
        "id": id_,
        "version": 1,
        "device_id": box_id,
        "camera_id": "",
        "rule_id": None,
        "type": type_,
        "severity": severity,
        "start_time": at,
        "end_time": at,
        "confidence": 1.0,
        "class_name": "",
        "track_id": None,
        "bbox": None,
        "zone_id": None,
        "direction": None,
        "count": None,
        "snapshot_url": None,
        "clip_url": None,
        "found_late": False,
        "created_at": at,
        "metadata": {"detail": detail},
    }
    yield from run(
        "INSERT INTO rows (box_id, id, kind, created_ns, arrived_ns, clock_offset_ns, clock_off, shown_ns,"
        " by_hub, body, camera_id, type, severity, start_ns)"
        " VALUES ($1, $2, 'event', $3, $3, 0, 0, $3, 1, $4, '', $5, $6, $3)",
        box_id, id_, now_ns, msgspec.json.encode(body).decode(), type_, severity,
    )  # fmt: skip
