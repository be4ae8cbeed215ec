"""Codes and figures -> words for people; and what strangers wrote -> something that can be shown."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from appliance.base.clock import SECOND_NS, parse_rfc3339, rfc3339
from appliance.base.errors import ApplianceError
from appliance.web.pages import words as pages_words

SEVERITIES = pages_words.SEVERITIES
# Worst first; the codes are those of the API (``people.boxes.PLACES``).
STATES = {
    "offline": "Offline",
    "stopped": "Stopped",
    "failing": "Failing",
    "critical": "Critical alert",
    "degraded": "Degraded",
    "alerts": "New alert",
    "parked": "Behind",
    "never_heard": "Not heard yet",
    "ok": "In order",
    "revoked": "Revoked",
}
KINDS = {
    "event": "Events",
    "event_update": "Changes of events",
    "alert": "Alerts",
    "alert_update": "Changes of alerts",
    "still": "Stills",
    "small_clip": "Small clips",
    "clip": "Full clips",
    "ledger": "Ledger",
    "metrics": "Metrics",
    "command_result": "Answers to commands",
    "sample": "Samples",
    "tombstone": "Tombstones",
}
COMMANDS = {
    "fetch_clip": "Fetch a clip",
    "patch_settings": "Change settings",
    "acknowledge_alert": "Acknowledge an alert",
    "install_model": "Install a model",
    "update": "Start an update",
    "open_screen": "Open the screen",
    "rotate_tunnel": "Make new tunnel keys",
    "ping": "Ping",
}
# A command's state -> (word, how it looks). ``expired`` is ours: it waited longer than it counts.
COMMAND_STATES = {
    "waiting": ("On its way", "quiet"),
    "pending": ("On trial", "warning"),
    "done": ("Done", "good"),
    "confirmed": ("Confirmed", "good"),
    "undone": ("Undone by itself", "warning"),
    "failed": ("Failed", "bad"),
    "refused": ("Refused", "bad"),
    "expired": ("Expired", "bad"),
}
UPLOADS = {"complete": "Complete", "partial": "Arriving", "broken": "Damaged, sent again"}
LONGEST_TEXT = 160
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def shown(text: object, longest: int = LONGEST_TEXT) -> str:
    """A stranger's text: letters that can be seen, cut. What turns the direction of writing, or is no text
    at all, is left out. Escaping is the template's."""
    if not isinstance(text, str):
        return ""
    plain = "".join(char for char in text[: 4 * longest] if char.isprintable()).strip()
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def code_words(code: object) -> str:
    """``box_offline`` -> ``Box offline``."""
    text = shown(code, 60).replace("_", " ").strip()
    return text[:1].upper() + text[1:] if text else "Unknown"


def object_of(text: str | None) -> dict[str, Any]:
    """A JSON object, or an empty one: what a box sent may be anything."""
    try:
        found = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def texts_of(text: str) -> tuple[str, ...]:
    """A JSON list of texts, each fit to be shown."""
    try:
        found = msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return tuple(plain for tag in found[:20] if (plain := shown(tag, 40)))


def number_of(value: object) -> int:
    """A figure of a stranger's, or 0."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0
    return int(value) if -(1 << 62) < value < 1 << 62 else 0


def event_title(body: Mapping[str, Any], zone_name: str = "") -> str:
    """``Person entered Loading bay``; ``a zone`` where its name is not known."""
    plain = {key: shown(body.get(key), 60) for key in ("class_name", "type", "zone_id")}
    names = {plain["zone_id"]: shown(zone_name, 60)} if plain["zone_id"] and zone_name else {}
    return pages_words.event_title(plain, names) or "Event"


def amount(count: int) -> str:
    """``12 345``, with a thin space that does not break."""
    return f"{count:,}".replace(",", "\u202f")


def percent(found: float) -> str:
    """``100 %`` only where nothing is missing: ``99.98 %`` else."""
    return "100 %" if found >= 100 else f"{min(found, 99.99):.2f} %"


def ago(when_ns: int | None, now_ns: int) -> str:
    """``12 s``; an en dash for never."""
    return "–" if when_ns is None else pages_words.how_long((now_ns - when_ns) / SECOND_NS)


def offset(offset_ns: int) -> str:
    """How far a box's clock is off: ``+0.2 s``, ``−3 h``."""
    sign, seconds = ("−" if offset_ns < 0 else "+"), abs(offset_ns) / SECOND_NS
    if seconds < 0.05:
        return "0.0 s"
    if seconds < 10:
        return f"{sign}{seconds:.1f} s"
    return sign + pages_words.how_long(seconds)


def moment(when_ns: int, zone: ZoneInfo, now_ns: int) -> str:
    return pages_words.moment(rfc3339(when_ns), zone, now_ns)


def with_times(text: str, zone: ZoneInfo, now_ns: int, reader: ZoneInfo | None = None) -> str:
    """Times that a sentence holds, as everywhere else on the page: with the zone where the reader's clock
    shows something else."""

    def told(match: re.Match[str]) -> str:
        try:
            clock = pages_words.moment(match[0], zone, now_ns)
            there = "" if reader is None else elsewhere(parse_rfc3339(match[0]), zone, reader)
            return f"{clock} ({there})" if there else clock
        except (ValueError, OverflowError, ApplianceError):
            return match[0]  # it only looked like one

    return _TIME.sub(told, text)


def elsewhere(when_ns: int, zone: ZoneInfo, reader: ZoneInfo) -> str:
    """``Tokyo``, where clocks in ``zone`` show something else at that moment than the reader's. Or empty."""
    at = datetime.fromtimestamp(when_ns // SECOND_NS, UTC)
    return "" if at.astimezone(zone).utcoffset() == at.astimezone(reader).utcoffset() else city(zone.key)


def city(zone: str) -> str:
    """``America/Argentina/Buenos_Aires`` -> ``Buenos Aires``."""
    return shown(zone.rpartition("/")[2].replace("_", " "), 40)


def iso(when_ns: int) -> str:
    return rfc3339(when_ns)


def clock(now_ns: int, zone: str) -> str:
    """``14:30``, at a site."""
    return f"{datetime.fromtimestamp(now_ns / SECOND_NS, UTC).astimezone(zone_of(zone)):%H:%M}"


def zone_or_none(name: str) -> str:
    """``name``, where it is a zone that is known here; else empty."""
    return name if name and zone_of(name).key == name else ""


@lru_cache(maxsize=1000)
def zone_of(name: str) -> ZoneInfo:
    """UTC for what is no zone: it comes from a cookie, or from a table."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return ZoneInfo("Etc/UTC")
    except KeyError:
        return ZoneInfo("Etc/UTC")


def plural(count: int, one: str, many: str) -> str:
    return f"{amount(count)} {one if count == 1 else many}"


def value(found: object) -> str:
    """A setting's value, as JSON, cut."""
    try:
        return shown(msgspec.json.encode(found).decode(), 120)
    except (msgspec.EncodeError, TypeError, UnicodeError):
        return "?"
