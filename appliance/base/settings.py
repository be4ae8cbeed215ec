"""Settings that people change through the API (``GET, PUT /api/v1/settings``), and hubs by an order."""

import math
import re
import zoneinfo

import msgspec

from appliance.base.errors import invalid

LARGEST_BYTES = 1 << 60
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")  # on one line, nothing that moves a cursor


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deletion order: older than ``days``; over ``max_bytes``; to keep the reserve free.
    The reserve is the larger of ``reserve_percent`` of the volume and ``reserve_bytes``."""

    days: float = 30.0
    max_bytes: int | None = None
    reserve_percent: float = 5.0
    reserve_bytes: int = 2_000_000_000
    event_days: float = 90.0


class SiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``time_zone`` is an IANA name; people see it, the box stores UTC."""

    name: str = "Site"
    time_zone: str = "Etc/UTC"


class NightSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``HH:MM`` in the site's zone."""

    start: str = msgspec.field(name="from", default="22:00")
    end: str = msgspec.field(name="to", default="06:00")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    retention: RetentionSettings = RetentionSettings()
    site: SiteSettings = SiteSettings()
    night: NightSettings = NightSettings()


def check(wanted: Settings) -> None:
    """Raises ``invalid`` naming the field."""
    retention, site, night = wanted.retention, wanted.site, wanted.night
    _within("retention.days", retention.days, 1 / 24, 3650)
    _within("retention.event_days", retention.event_days, 1, 3650)
    _within("retention.reserve_percent", retention.reserve_percent, 0, 90)
    _within("retention.reserve_bytes", retention.reserve_bytes, 0, LARGEST_BYTES)
    if retention.max_bytes is not None:
        _within("retention.max_bytes", retention.max_bytes, 1_000_000, LARGEST_BYTES)
    if not 1 <= len(site.name) <= 100 or not _PLAIN.fullmatch(site.name):
        raise invalid("the site's name is 1 to 100 characters on one line", "shorten it", field="site.name")
    if site.time_zone not in zoneinfo.available_timezones():
        raise invalid(
            f"{site.time_zone[:40]!r} is no time zone",
            "use an IANA name, e.g. Europe/Berlin",
            field="site.time_zone",
        )
    for name, text in (("from", night.start), ("to", night.end)):
        if not _TIME_OF_DAY.fullmatch(text):
            raise invalid(f"{text[:20]!r} is not a time of day", "write it as 22:00", field=f"night.{name}")


def _within(field: str, value: float, low: float, high: float) -> None:
    if not math.isfinite(value) or not low <= value <= high:
        raise invalid(f"{field} is out of range", f"{low:g} to {high:g}", field=field)
