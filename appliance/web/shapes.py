"""The contract's JSON as types: what openapi.json publishes and tests hold ``base.wire`` against."""

from typing import Any, Literal

import msgspec

from appliance.base.errors import Kind
from appliance.base.model import (
    CameraState,
    DetectSettings,
    GapCause,
    RecordSettings,
    Role,
    RuleKind,
    Schedule,
    Severity,
)
from appliance.base.settings import Settings
from appliance.store.policy import Policy
from appliance.store.targets import Kind as TargetKind
from appliance.web.params import Share

Point = tuple[Share, Share]


class Error(msgspec.Struct, omit_defaults=True):
    kind: Kind
    message: str
    hint: str
    field: str | None = None


class ErrorAnswer(msgspec.Struct):
    error: Error


class Bbox(msgspec.Struct, forbid_unknown_fields=True):
    x: float
    y: float
    width: float
    height: float


class Status(msgspec.Struct, forbid_unknown_fields=True):
    state: CameraState
    since: str
    codec: str | None
    width: int | None
    height: int | None
    fps: float | None
    bitrate_bps: int | None
    last_packet_at: str | None
    reconnects: int
    last_error: str | None


class Camera(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    enabled: bool
    rtsp_url: str
    sub_url: str | None
    username: str | None
    record: RecordSettings
    retention_days: float | None
    detect: DetectSettings
    status: Status


class Zone(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    camera_id: str
    name: str
    kind: Literal["polygon", "line"]
    points: list[Point]


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    enabled: bool
    camera_ids: list[str]
    zone_ids: list[str]
    kind: RuleKind
    classes: list[str]
    min_confidence: float
    params: dict[str, Any]
    schedule: Schedule | None
    severity: Severity
    cooldown_s: float
    actions: list[dict[str, Any]]


class Event(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    version: Literal[1]
    device_id: str
    camera_id: str
    rule_id: str | None
    type: str
    severity: Severity
    start_time: str
    end_time: str | None
    confidence: float
    class_name: str
    track_id: str | None
    bbox: Bbox | None
    zone_id: str | None
    direction: str | None
    count: int | None
    snapshot_url: str | None
    clip_url: str | None
    found_late: bool
    created_at: str
    metadata: dict[str, Any]


class Alert(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    event_id: str
    rule_id: str | None
    camera_id: str
    severity: Severity
    status: Literal["new", "acknowledged", "resolved"]
    created_at: str
    acknowledged_by: str | None
    acknowledged_at: str | None
    resolved_by: str | None
    resolved_at: str | None
    resolution: Literal["true_alarm", "false_alarm", "test"] | None
    escalated_at: str | None
    notes: list[str]


class User(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    username: str
    role: Role
    camera_ids: list[str] | None
    must_change_password: bool
    disabled: bool
    created_at: str


class Span(msgspec.Struct, forbid_unknown_fields=True):
    start: str
    end: str
    state: Literal["recorded", "gap"]
    cause: GapCause | None
    locked: bool
    time_unsure: bool


class Lock(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    camera_id: str
    start_time: str
    end_time: str
    reason: str
    owner: Literal["person", "event", "outbox"]
    created_at: str


class LaneFigures(msgspec.Struct, forbid_unknown_fields=True):
    """``lane`` 0 is the most urgent. ``owed`` is always the sum of the five after it."""

    lane: int
    kind: str
    owed: int
    acknowledged: int
    tombstoned: int
    waiting: int
    in_flight: int
    parked: int
    oldest: str | None


class RefusedRow(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    kind: str
    reason: str


class Target(msgspec.Struct, forbid_unknown_fields=True):
    """``has_token``: one is stored; it is never returned. ``bytes``: of what waits, pinned footage
    included (estimated). ``refused``: some of what is parked, with why."""

    id: str
    kind: TargetKind
    url: str
    ca: str | None
    options: dict[str, str]
    policy: Policy
    enabled: bool
    has_token: bool
    bytes: int
    lanes: list[LaneFigures]
    refused: list[RefusedRow]
    owed: int
    acknowledged: int
    tombstoned: int
    waiting: int
    in_flight: int
    parked: int
    oldest: str | None


class AuditEntry(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    time: str
    user_id: str | None
    username: str | None
    action: str
    thing: str
    detail: dict[str, Any]


class Check(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    status: Literal["ok", "degraded", "failing"]
    detail: str
    since: str


class HealthAnswer(msgspec.Struct, forbid_unknown_fields=True):
    status: Literal["ok", "degraded", "failing"]
    checks: list[Check]


class TokenAnswer(msgspec.Struct):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str
    role: Role
    must_change_password: bool


class Empty(msgspec.Struct):
    pass


class UserAnswer(msgspec.Struct):
    user: User


class UsersAnswer(msgspec.Struct):
    users: list[User]


class CameraAnswer(msgspec.Struct):
    camera: Camera


class CamerasAnswer(msgspec.Struct):
    cameras: list[Camera]


class LiveAnswer(msgspec.Struct):
    ws_url: str
    hls_url: str
    mime: str | None


class ProbeAnswer(msgspec.Struct):
    """What the camera sends; ``hints`` are for the person who sets it up."""

    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    key_frame_interval_s: float | None = None
    clock_skew_s: float | None = None
    audio: Any = None
    hints: list[str] = []


class RecordingsAnswer(msgspec.Struct):
    spans: list[Span]
    start: str
    end: str
    bytes: int


class ZoneAnswer(msgspec.Struct):
    zone: Zone


class ZonesAnswer(msgspec.Struct):
    zones: list[Zone]


class RuleAnswer(msgspec.Struct):
    rule: Rule


class RulesAnswer(msgspec.Struct):
    rules: list[Rule]


class EventAnswer(msgspec.Struct):
    event: Event


class EventsAnswer(msgspec.Struct):
    events: list[Event]
    next_cursor: str | None
    total: int


class AlertAnswer(msgspec.Struct):
    alert: Alert


class AlertsAnswer(msgspec.Struct):
    alerts: list[Alert]
    next_cursor: str | None
    total: int


class LockAnswer(msgspec.Struct):
    """``ring_days_remaining``: days of recording the ring still holds with this span kept; null:
    the disk is so large that only age ends it."""

    lock: Lock
    ring_days_remaining: float | None


class TargetAnswer(msgspec.Struct):
    target: Target


class TargetsAnswer(msgspec.Struct):
    targets: list[Target]


class SettingsAnswer(msgspec.Struct):
    settings: Settings


class AuditAnswer(msgspec.Struct):
    audit: list[AuditEntry]
    next_cursor: str | None
    total: int


class SyncFigures(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    enabled: bool
    owed: int
    acknowledged: int
    tombstoned: int
    waiting: int
    in_flight: int
    parked: int
    oldest: str | None


class StatusAnswer(msgspec.Struct):
    """The box at a glance."""

    version: str
    device_id: str
    time: str
    time_unsure: bool
    site: dict[str, Any]
    disks: list[dict[str, Any]]
    cameras: dict[str, int]
    streams: list[dict[str, Any]]
    detector: dict[str, Any] | None
    sync: list[SyncFigures]
    alerts_active: int
