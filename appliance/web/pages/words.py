"""Codes -> words for people, and times in the site's zone. ``ui/static/words.js`` says the same in
the browser; a test holds the two together."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from appliance.base.clock import SECOND_NS

STATES = {
    "recording": "Recording",
    "live": "Live, not recorded",
    "connecting": "Connecting",
    "offline": "Offline",
    "auth_failed": "Password refused",
    "disabled": "Switched off",
}

CAUSES = {
    "camera_offline": "Camera offline",
    "auth_failed": "Password refused",
    "no_video": "No video from the camera",
    "disk_full": "Disk full",
    "disk_missing": "Disk missing",
    "disk_error": "Disk error",
    "clock_jump": "Clock was set",
    "box_off": "Box was off",
    "restart": "Restart",
    "disabled": "Not recording",
    "schedule": "Outside the schedule",
    "expired": "Deleted by age",
    "damaged": "Damaged",
}

SEVERITIES = {"critical": "Critical", "warning": "Warning", "info": "Info"}
ALERT_STATUSES = {"new": "New", "acknowledged": "Acknowledged", "resolved": "Resolved"}
RESOLUTIONS = {"true_alarm": "True alarm", "false_alarm": "False alarm", "test": "Test"}
EVENT_TYPES = {
    "zone_enter": "Zone entered",
    "zone_exit": "Zone left",
    "line_cross": "Line crossed",
    "motion": "Motion, noticed by the camera",
    "tamper": "Camera tampered with",
    "camera_moved": "Camera at a new address",
    "camera_offline": "Camera offline",
    "camera_back": "Camera back",
    "cameras_offline": "Cameras offline",
    "camera_replaced": "Another device in a camera's place",
}

THE_BOX = "This box"  # in the place of a camera, where it is of none

_VERBS = {
    "zone_enter": "entered",
    "zone_exit": "left",
    "line_cross": "crossed",
    "intrusion": "intruded into",
    "loitering": "loitered in",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def event_title(event: Mapping[str, Any], zone_names: Mapping[str, str]) -> str:
    """``Person entered Loading bay``, of an event in the contract's shape."""
    name = event["class_name"]
    who = _capital(name.replace("_", " ")) if name and name != "motion" else "Something"
    zone = zone_names.get(event["zone_id"] or "")
    if (verb := _VERBS.get(event["type"])) is not None:
        return f"{who} {verb} {zone or 'a zone'}"
    what = _capital(event["type"].replace("_", " "))
    return f"{what} in {zone}" if zone else what


def moment(text: str, zone: ZoneInfo, now_ns: int, *, always_day: bool = False) -> str:
    """An RFC 3339 time as ``14:30:05``, with ``Tue 20 Jan`` before it on other days."""
    there = datetime.fromisoformat(text).astimezone(zone)
    clock = f"{there:%H:%M:%S}"
    if there.date() == site_now(zone, now_ns).date() and not always_day:
        return clock
    return f"{_DAYS[there.weekday()]} {there.day} {_MONTHS[there.month - 1]} {clock}"


def site_now(zone: ZoneInfo, now_ns: int) -> datetime:
    return datetime.fromtimestamp(now_ns / SECOND_NS, UTC).astimezone(zone)


def site_day(date: str, zone: ZoneInfo) -> tuple[int, int]:
    """The site's day ``2026-01-20`` as half-open nanoseconds UTC: 23, 24 or 25 hours long.

    Raises ``ValueError`` for what is no date.
    """
    midnight = datetime.fromisoformat(date).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    if not 1971 <= midnight.year <= 2200:  # nanoseconds in 64 bits end in 2262
        raise ValueError("no footage is that old")
    return _instant_ns(midnight, zone), _instant_ns(midnight + timedelta(days=1), zone)


def _instant_ns(there: datetime, zone: ZoneInfo) -> int:
    return int(there.replace(tzinfo=zone).timestamp()) * SECOND_NS


def how_long(seconds: float) -> str:
    """``12 s``, ``4 min``, ``3 h``, ``2 d``."""
    whole = max(0, round(seconds))
    for unit_s, most_s, name in ((1, 60, "s"), (60, 3600, "min"), (3600, 172_800, "h")):
        if whole < most_s:
            return f"{whole // unit_s} {name}"
    return f"{whole // 86_400} d"


def size(count: float | None) -> str:
    """``1.4 GB``, decimal as disks are sold; an en dash for unknown."""
    if count is None:
        return "–"
    for name in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {name}" if name == "B" or count >= 100 else f"{count:.1f} {name}"
        count /= 1000
    return f"{count:.1f} TB"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
