"""The one transaction in which a finding becomes an event, and perhaps an alert.

Everything that follows from it is written with it: the journal row that screens read, the outbox
rows that targets and channels are owed (D1), the pin that keeps its footage (R6).
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

import msgspec

from appliance.alerts.owing import AROUND_NS, owe, owe_clip, owe_small_clip, owe_still
from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.ids import uuid7
from appliance.base.model import Alert, Event, Lock, Rule, Severity
from appliance.base.wire import Json, alert_json, event_json
from appliance.rules.finding import Finding
from appliance.store import alerts, channels, events, journal, locks, targets
from appliance.store.targets import Target

LONGEST_PIN_NS = 600 * SECOND_NS  # a visit of a whole day does not pin a whole day
ALARMING = ("warning", "critical")
AT_ONCE = ("line_cross", "zone_exit")  # over as they happen; the others last until an ``ended``


class Recorded(msgspec.Struct, frozen=True):
    """``began`` in the order of their findings; ``newest`` is a journal position, 0: nothing new.
    ``alarmed``: the rules that alerted."""

    began: tuple[tuple[Event, Finding], ...] = ()
    newest: int = 0
    alarmed: tuple[Rule, ...] = ()


def record(
    conn: sqlite3.Connection,
    findings: Iterable[Finding],
    now_ns: int,
    device_id: str,
    records: Callable[[str], bool],
    *,
    found_late: bool = False,
) -> Recorded:
    """Write all that follows from ``findings``. ``records(camera_id)``: is its video being kept?
    ``found_late``: they come of a look back. They alert as any other, and rest as any other: the
    cooldown is measured by when they happened."""
    owed_to = targets.enabled(conn)
    began: list[tuple[Event, Finding]] = []
    alarmed: list[Rule] = []
    newest = 0
    for finding in findings:
        if finding.phase == "ended":
            newest = _end(conn, finding, now_ns, owed_to) or newest
            continue
        has_clip = records(finding.camera_id)
        event = _event(finding, now_ns, device_id, has_clip=has_clip, found_late=found_late)
        events.insert(conn, event)
        alarms = event.severity in ALARMING and not alerts_held_back(conn, event, finding.rule.cooldown_s)
        newest = publish_event(conn, event, now_ns, owed_to, is_new=True, alarms=alarms)
        if alarms:
            newest = _raise(conn, event, now_ns, owed_to)
            alarmed.append(finding.rule)
        if event.has_clip:
            _pin(conn, event)
            owe_still(conn, event, now_ns, owed_to)
            owe_small_clip(conn, event, now_ns, owed_to)
            if event.end_ns is not None:
                owe_clip(conn, event, now_ns, owed_to)
        began.append((event, finding))
    return Recorded(tuple(began), newest, tuple(alarmed))


def record_of_box(
    conn: sqlite3.Connection,
    type_: str,
    metadata: Json,
    now_ns: int,
    device_id: str,
    *,
    severity: Severity = "critical",
    camera_id: str = "",
) -> int:
    """An event about the box itself, such as ``storage_full``: no rule, and mostly no camera; and an alert,
    unless it is for information only. ``metadata`` holds ``detail`` and ``hint`` for people. The journal
    position."""
    event = Event(
        id=uuid7(now_ns),
        device_id=device_id,
        camera_id=camera_id,
        rule_id=None,
        type=type_,
        severity=severity,
        start_ns=now_ns,
        end_ns=now_ns,
        confidence=1.0,
        class_name="",
        track_id=None,
        bbox=None,
        zone_id=None,
        created_ns=now_ns,
        metadata=metadata,
    )
    owed_to = targets.enabled(conn)
    events.insert(conn, event)
    newest = publish_event(conn, event, now_ns, owed_to, is_new=True, alarms=severity in ALARMING)
    return _raise(conn, event, now_ns, owed_to) if severity in ALARMING else newest


def alerts_held_back(conn: sqlite3.Connection, event: Event, cooldown_s: float) -> bool:
    """A rule's cooldown is per camera, which holds back the same track's alerts too."""
    assert event.rule_id is not None
    return alerts.is_cooling_down(conn, event.rule_id, event.camera_id, event.start_ns, cooldown_s)


def publish_event(
    conn: sqlite3.Connection,
    event: Event,
    now_ns: int,
    owed_to: Sequence[Target],
    *,
    is_new: bool,
    alarms: bool = False,
) -> int:
    """Into the journal and the outboxes; the journal position. ``alarms``: an alert follows, and the
    event goes as urgently as that."""
    row_id, kind = (event.id, "event") if is_new else (uuid7(now_ns), "event_update")
    data = event_json(event)
    owe(conn, owed_to, row_id, kind, _bytes(data), now_ns, severity=event.severity, alarms=alarms)
    return journal.append(conn, "event", event.camera_id, now_ns, data)


def publish_alert(
    conn: sqlite3.Connection, alert: Alert, now_ns: int, owed_to: Sequence[Target], *, is_new: bool
) -> int:
    """Into the journal and the outboxes; the journal position."""
    row_id, kind = (alert.id, "alert") if is_new else (uuid7(now_ns), "alert_update")
    data = alert_json(alert)
    owe(conn, owed_to, row_id, kind, _bytes(data), now_ns, severity=alert.severity, alarms=is_new)
    return journal.append(conn, "alert", alert.camera_id, now_ns, data)


def _event(finding: Finding, now_ns: int, device_id: str, *, has_clip: bool, found_late: bool) -> Event:
    return Event(
        id=uuid7(now_ns),
        device_id=device_id,
        camera_id=finding.camera_id,
        rule_id=finding.rule.id,
        type=finding.type,
        severity=finding.rule.severity,
        start_ns=finding.time_ns,
        end_ns=finding.time_ns if finding.type in AT_ONCE else None,
        confidence=finding.confidence,
        class_name=finding.class_name,
        track_id=finding.track_id or None,
        bbox=finding.bbox,
        zone_id=finding.zone_id,
        created_ns=now_ns,
        direction=finding.direction,
        count=finding.count,
        has_clip=has_clip,
        found_late=found_late,
        metadata=_metadata(finding),
    )


def _metadata(finding: Finding) -> Json:
    """``frame`` and ``previous_centre`` as ``sync.envelope`` hands them on."""
    metadata: Json = {"rule_name": finding.rule.name, "frame": {"time": rfc3339(finding.seen_ns)}}
    if finding.previous_centre is not None:
        metadata["previous_centre"] = [round(value, 6) for value in finding.previous_centre]
    return metadata


def _raise(conn: sqlite3.Connection, event: Event, now_ns: int, owed_to: Sequence[Target]) -> int:
    alert = Alert(
        id=uuid7(now_ns),
        event_id=event.id,
        rule_id=event.rule_id,
        camera_id=event.camera_id,
        severity=event.severity,
        status="new",
        created_ns=now_ns,
    )
    alerts.insert(conn, alert)
    channels.owe(conn, alert)
    return publish_alert(conn, alert, now_ns, owed_to, is_new=True)


def _end(conn: sqlite3.Connection, finding: Finding, now_ns: int, owed_to: Sequence[Target]) -> int:
    """0 where the event is gone, or was never told of."""
    track_id = finding.track_id or None
    event = events.begun_at(
        conn, finding.camera_id, finding.began_ns, finding.rule.id, track_id, finding.zone_id
    )
    if event is None or event.end_ns is not None:
        return 0
    return end_event(conn, event, finding.time_ns, now_ns, owed_to)


def end_event(
    conn: sqlite3.Connection, event: Event, end_ns: int, now_ns: int, owed_to: Sequence[Target]
) -> int:
    """It lasted until ``end_ns``, and its footage is kept as long; the journal position."""
    event = msgspec.structs.replace(event, end_ns=max(end_ns, event.start_ns))
    events.update(conn, event)
    pinned_ns = min(event.end_ns or 0, event.start_ns + LONGEST_PIN_NS)
    locks.extend_owned(conn, "event", event.id, pinned_ns + AROUND_NS)
    if event.has_clip:
        owe_clip(conn, event, now_ns, owed_to)
    return publish_event(conn, event, now_ns, owed_to, is_new=False)


def _pin(conn: sqlite3.Connection, event: Event) -> None:
    lock = Lock(
        id=uuid7(event.created_ns),
        camera_id=event.camera_id,
        start_ns=event.start_ns - AROUND_NS,
        end_ns=event.start_ns + AROUND_NS,
        reason=event.type,
        owner="event",
        owner_id=event.id,
        created_ns=event.created_ns,
    )
    locks.insert(conn, lock)


def _bytes(data: Json) -> bytes:
    return msgspec.json.encode(data)
