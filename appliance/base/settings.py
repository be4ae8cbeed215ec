"""Settings that people change through the API (``GET, PUT /api/v1/settings``)."""

import msgspec


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
