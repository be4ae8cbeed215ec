"""The nouns of house.md as immutable structs. Inside the box times are ``*_ns`` integers (UTC);
``appliance.base.wire`` turns nouns into the contract's JSON.

Geometry is normalised 0..1 to the analysed stream's picture, origin at the top left.
"""

from typing import Any, Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
Role = Literal["viewer", "operator", "installer", "admin"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
ROLES: tuple[Role, ...] = ("viewer", "operator", "installer", "admin")
StreamName = Literal["main", "sub"]
RecordMode = Literal["continuous", "events", "off"]
CameraState = Literal["recording", "live", "connecting", "offline", "auth_failed", "disabled"]
GapCause = Literal[
    "camera_offline",
    "auth_failed",
    "no_video",
    "disk_full",
    "disk_missing",
    "disk_error",
    "clock_jump",
    "box_off",
    "restart",
    "disabled",
    "schedule",
    "expired",
    "damaged",
]
BlindCause = Literal["worker_down", "overload", "model_missing", "restart"]
RuleKind = Literal[
    "motion",
    "zone_enter",
    "zone_exit",
    "intrusion",
    "line_cross",
    "loitering",
    "crowd",
    "abandoned_object",
    "removed_object",
    "wrong_way",
    "absence",
    "occupancy",
    "tamper",
]


class Box(msgspec.Struct, frozen=True, array_like=True):
    """A rectangle in the picture, 0..1. The anchor point is the middle of its bottom edge."""

    x: float
    y: float
    width: float
    height: float

    @property
    def anchor(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


class RecordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: RecordMode = "continuous"


class DetectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``classes`` empty means all that the model knows; ``min_confidence`` 0..1; ``masks``: simple
    polygons, 0..1, in which neither motion counts nor what has its anchor point there."""

    enabled: bool = True
    fps: float = 5.0
    stream: StreamName = "sub"
    classes: tuple[str, ...] = ()
    min_confidence: float = 0.4
    masks: tuple[tuple[tuple[float, float], ...], ...] = ()


class Camera(msgspec.Struct, frozen=True):
    """A device. URLs hold no credentials; those lie encrypted beside it (``store.cameras``)."""

    id: str
    name: str
    rtsp_url: str
    sub_url: str | None = None
    username: str | None = None
    enabled: bool = True
    record: RecordSettings = RecordSettings()
    retention_days: float | None = None
    detect: DetectSettings = DetectSettings()
    created_ns: int = 0
    archived_ns: int | None = None


class Credentials(msgspec.Struct, frozen=True):
    """Never logged: its ``repr`` is blind."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(…)"


class CameraStatus(msgspec.Struct, frozen=True):
    """What one stream is doing now. ``since_ns`` is when ``state`` began."""

    state: CameraState
    since_ns: int
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    bitrate_bps: int | None = None
    last_packet_ns: int | None = None
    reconnects: int = 0
    last_error: str | None = None


class Zone(msgspec.Struct, frozen=True):
    """A polygon (simple, >= 3 points) or a line (2 points)."""

    id: str
    camera_id: str
    name: str
    kind: Literal["polygon", "line"]
    points: tuple[tuple[float, float], ...]


class ScheduleWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``from`` > ``to`` reaches into the next day; both ``HH:MM`` in the site's zone."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    windows: tuple[ScheduleWindow, ...]


class Rule(msgspec.Struct, frozen=True):
    """``camera_ids`` empty means every camera that a zone of the rule belongs to."""

    id: str
    name: str
    kind: RuleKind
    enabled: bool = True
    camera_ids: tuple[str, ...] = ()
    zone_ids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    min_confidence: float = 0.0
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    schedule: Schedule | None = None
    severity: Severity = "warning"
    cooldown_s: float = 60.0
    actions: tuple[dict[str, Any], ...] = ()


class TrackPoint(msgspec.Struct, frozen=True):
    """One observation of one track: what the vision worker sends and rules read.

    ``phase``: the first point of a track is ``start``, the last ``end``. ``track_id`` is unique
    for ever (worker epoch and number). ``stationary`` tracks have not moved for some seconds.
    """

    camera_id: str
    track_id: str
    time_ns: int
    class_name: str
    confidence: float
    bbox: Box
    phase: Literal["start", "update", "end"] = "update"
    stationary: bool = False


class Event(msgspec.Struct, frozen=True):
    """A fact. ``start_ns`` is when it happened, ``created_ns`` when the box knew."""

    id: str
    device_id: str
    camera_id: str
    rule_id: str | None
    type: str
    severity: Severity
    start_ns: int
    end_ns: int | None
    confidence: float
    class_name: str
    track_id: str | None
    bbox: Box | None
    zone_id: str | None
    created_ns: int
    direction: str | None = None
    count: int | None = None
    has_snapshot: bool = False
    has_clip: bool = False
    found_late: bool = False
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class Alert(msgspec.Struct, frozen=True):
    """A decision that a person should know: new -> acknowledged -> resolved."""

    id: str
    event_id: str
    rule_id: str | None
    camera_id: str
    severity: Severity
    status: Literal["new", "acknowledged", "resolved"]
    created_ns: int
    acknowledged_by: str | None = None
    acknowledged_ns: int | None = None
    resolved_by: str | None = None
    resolved_ns: int | None = None
    resolution: Literal["true_alarm", "false_alarm", "test"] | None = None
    escalated_ns: int | None = None
    notes: tuple[str, ...] = ()


class Gap(msgspec.Struct, frozen=True):
    """Time of an enabled stream for which there is no video (R4). ``end_ns`` None: still open."""

    camera_id: str
    stream: str
    start_ns: int
    end_ns: int | None
    cause: GapCause


class BlindSpan(msgspec.Struct, frozen=True):
    """Recorded time of an analysed stream that nobody looked at: half-open [start_ns, end_ns). All
    before ``done_until_ns`` has been looked at since; ``found`` events came of it. ``gone``: its
    footage is not there any more."""

    id: str
    camera_id: str
    stream: str
    start_ns: int
    end_ns: int
    cause: BlindCause
    done_until_ns: int
    found: int = 0
    state: Literal["waiting", "done", "gone"] = "waiting"


class Segment(msgspec.Struct, frozen=True):
    """One row of the archive's index; keyed by (boot, run, sequence), not by time.

    ``path`` is relative to its volume. ``keys`` are (time_ns, byte offset of its moof) of the key
    frames, packed by ``media.segment``. ``bytes_`` is the whole file's size.
    """

    camera_id: str
    stream: str
    boot_id: str
    run_id: str
    sequence: int
    volume_id: str
    path: str
    start_ns: int
    end_ns: int
    bytes_: int
    sha256: str
    codec: str
    width: int
    height: int
    frames: int
    init_sha256: str
    time_unsure: bool | int = False


class Lock(msgspec.Struct, frozen=True):
    """A span that retention must not touch (R6): locked by a person or pinned by the box."""

    id: str
    camera_id: str
    start_ns: int
    end_ns: int
    reason: str
    owner: Literal["person", "event", "outbox"]
    owner_id: str
    created_ns: int


class User(msgspec.Struct, frozen=True):
    """``camera_ids`` None means all. The password hash never leaves ``store.users``."""

    id: str
    username: str
    role: Role
    camera_ids: tuple[str, ...] | None = None
    must_change_password: bool = False
    created_ns: int = 0
    disabled: bool = False


class Check(msgspec.Struct, frozen=True):
    """One line of health: ``detail`` is for people."""

    name: str
    status: Literal["ok", "degraded", "failing"]
    detail: str
    since_ns: int
