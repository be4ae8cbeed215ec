"""What a channel says of one alert: made once, from the database, in the site's words and time."""

import sqlite3
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.base.ids import uuid7
from appliance.base.model import Alert, Event, Severity
from appliance.base.wire import Json, alert_json, event_json
from appliance.store import alerts, cameras, events, settings

LOUD = {"critical": "CRITICAL", "warning": "Warning", "info": "Info"}


class Notice(msgspec.Struct, frozen=True):
    """``title``: one line without the severity, ``lines``: what else a person should know. ``still``: JPEG
    of the moment, where one was kept. ``is_test``: somebody tries the channel; no alert is behind it."""

    site: str
    title: str
    severity: Severity
    created_ns: int
    lines: tuple[str, ...]
    alert: Json
    event: Json | None
    camera: str = ""
    still: bytes | None = None
    is_test: bool = False

    @property
    def subject(self) -> str:
        """One line that says it all on a locked phone; a line end in a name makes no header of its own."""
        text = f"{self.site}: {'Test' if self.is_test else LOUD[self.severity]}: {self.title}"
        return " ".join(text.split())


def of_alert(conn: sqlite3.Connection, alert_id: str) -> Notice | None:
    """None where the alert is gone."""
    alert = alerts.get(conn, alert_id)
    if alert is None:
        return None
    site = settings.load(conn).site
    event = events.get(conn, alert.event_id)
    camera = cameras.get(conn, alert.camera_id) if alert.camera_id else None
    name = alert.camera_id if camera is None else camera.name
    return Notice(
        site=site.name,
        title=_title(event, name),
        severity=alert.severity,
        created_ns=alert.created_ns,
        lines=tuple(_lines(event, alert, name, ZoneInfo(site.time_zone))),
        alert=alert_json(alert),
        event=None if event is None else event_json(event),
        camera=name,
    )


def of_test(conn: sqlite3.Connection, now_ns: int, asked_by: str) -> Notice:
    """Something to try a channel with; in the shape of an alert that was never raised."""
    site = settings.load(conn).site
    id_ = uuid7(now_ns)
    alert = Alert(id_, id_, None, "", "info", "new", now_ns)
    when = _moment(now_ns, ZoneInfo(site.time_zone))
    lines = (f"{asked_by} tries this channel, {when}.", "Nothing happened: alerts will come this way.")
    return Notice(
        site.name, "this channel works", "info", now_ns, lines, alert_json(alert), None, is_test=True
    )


def _title(event: Event | None, camera: str) -> str:
    if event is None:
        return f"an alert of {camera}" if camera else "an alert"
    what = str(event.metadata.get("rule_name") or event.type.replace("_", " "))
    return f"{what} ({camera})" if camera else what


def _lines(event: Event | None, alert: Alert, camera: str, zone: ZoneInfo) -> list[str]:
    lines = []
    if event is not None:
        who = (
            f"{event.class_name.replace('_', ' ')}, {event.confidence:.0%} sure; " if event.class_name else ""
        )
        lines.append(f"{who}{event.type.replace('_', ' ')}")
        for key in ("detail", "hint"):  # of alerts about the box itself
            if isinstance(said := event.metadata.get(key), str) and said:
                lines.append(said)
    if camera:
        lines.append(f"Camera: {camera}")
    lines.append(f"When: {_moment(alert.created_ns if event is None else event.start_ns, zone)}")
    if event is not None and event.found_late:
        lines.append("It was found in the recording, afterwards.")
    return lines


def _moment(time_ns: int, zone: ZoneInfo) -> str:
    there = datetime.fromtimestamp(time_ns / SECOND_NS, zone)
    return f"{there:%Y-%m-%d %H:%M:%S} ({zone.key})"
