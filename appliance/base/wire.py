"""Nouns -> the contract's JSON (``contract.md``, HTTP). The one place that knows its shapes,
used by the web, the WebSocket journal, the outbox and the command line alike."""

from typing import Any

from appliance.base.clock import rfc3339
from appliance.base.model import Alert, Box, Camera, CameraStatus, Check, Event, Rule, Schedule, Zone

Json = dict[str, Any]
API = "/api/v1"


def time_or_none(time_ns: int | None) -> str | None:
    return None if time_ns is None else rfc3339(time_ns)


def box_json(box: Box | None) -> Json | None:
    if box is None:
        return None
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}


def event_json(event: Event) -> Json:
    base = f"{API}/events/{event.id}"
    return {
        "id": event.id,
        "version": 1,
        "device_id": event.device_id,
        "camera_id": event.camera_id,
        "rule_id": event.rule_id,
        "type": event.type,
        "severity": event.severity,
        "start_time": rfc3339(event.start_ns),
        "end_time": time_or_none(event.end_ns),
        "confidence": round(event.confidence, 4),
        "class_name": event.class_name,
        "track_id": event.track_id,
        "bbox": box_json(event.bbox),
        "zone_id": event.zone_id,
        "direction": event.direction,
        "count": event.count,
        "snapshot_url": f"{base}/snapshot.jpg" if event.has_snapshot else None,
        "clip_url": f"{base}/clip.mp4" if event.has_clip else None,
        "found_late": event.found_late,
        "created_at": rfc3339(event.created_ns),
        "metadata": event.metadata,
    }


def alert_json(alert: Alert) -> Json:
    return {
        "id": alert.id,
        "event_id": alert.event_id,
        "rule_id": alert.rule_id,
        "camera_id": alert.camera_id,
        "severity": alert.severity,
        "status": alert.status,
        "created_at": rfc3339(alert.created_ns),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": time_or_none(alert.acknowledged_ns),
        "resolved_by": alert.resolved_by,
        "resolved_at": time_or_none(alert.resolved_ns),
        "resolution": alert.resolution,
        "escalated_at": time_or_none(alert.escalated_ns),
        "notes": list(alert.notes),
    }


def status_json(status: CameraStatus) -> Json:
    return {
        "state": status.state,
        "since": rfc3339(status.since_ns),
        "codec": status.codec,
        "width": status.width,
        "height": status.height,
        "fps": status.fps,
        "bitrate_bps": status.bitrate_bps,
        "last_packet_at": time_or_none(status.last_packet_ns),
        "reconnects": status.reconnects,
        "last_error": status.last_error,
    }


def camera_json(camera: Camera, status: CameraStatus) -> Json:
    return {
        "id": camera.id,
        "name": camera.name,
        "enabled": camera.enabled,
        "rtsp_url": camera.rtsp_url,
        "sub_url": camera.sub_url,
        "username": camera.username,
        "record": {"mode": camera.record.mode},
        "retention_days": camera.retention_days,
        "detect": {
            "enabled": camera.detect.enabled,
            "fps": camera.detect.fps,
            "stream": camera.detect.stream,
            "classes": list(camera.detect.classes),
            "min_confidence": camera.detect.min_confidence,
            "masks": camera.detect.masks,
        },
        "status": status_json(status),
    }


def zone_json(zone: Zone) -> Json:
    return {
        "id": zone.id,
        "camera_id": zone.camera_id,
        "name": zone.name,
        "kind": zone.kind,
        "points": [list(point) for point in zone.points],
    }


def schedule_json(schedule: Schedule | None) -> Json | None:
    if schedule is None:
        return None
    return {"windows": [{"days": list(w.days), "from": w.start, "to": w.end} for w in schedule.windows]}


def rule_json(rule: Rule) -> Json:
    return {
        "id": rule.id,
        "name": rule.name,
        "enabled": rule.enabled,
        "camera_ids": list(rule.camera_ids),
        "zone_ids": list(rule.zone_ids),
        "kind": rule.kind,
        "classes": list(rule.classes),
        "min_confidence": rule.min_confidence,
        "params": rule.params,
        "schedule": schedule_json(rule.schedule),
        "severity": rule.severity,
        "cooldown_s": rule.cooldown_s,
        "actions": list(rule.actions),
    }


def check_json(check: Check) -> Json:
    return {
        "name": check.name,
        "status": check.status,
        "detail": check.detail,
        "since": rfc3339(check.since_ns),
    }
