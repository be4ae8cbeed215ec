"""When a rule holds: windows of wall-clock time in the site's zone.

A window is compared with what the clock on the wall shows. On the 23-hour day a skipped hour does
not occur; on the 25-hour day a repeated hour counts both times; a window over midnight belongs to
the day it begins on.
"""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from appliance.base.clock import SECOND_NS
from appliance.base.errors import invalid
from appliance.base.model import Schedule

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


def is_active(schedule: Schedule | None, time_ns: int, zone: ZoneInfo) -> bool:
    """None is always. Windows are half-open; equal ends mean the whole day."""
    if schedule is None:
        return True
    local = datetime.fromtimestamp(time_ns // SECOND_NS, zone)
    clock = f"{local:%H:%M}"
    today = DAYS[local.weekday()]
    yesterday = DAYS[(local.date() - timedelta(days=1)).weekday()]
    for window in schedule.windows:
        over_midnight = window.start >= window.end
        began_today = today in window.days and window.start <= clock and (over_midnight or clock < window.end)
        began_yesterday = over_midnight and yesterday in window.days and clock < window.end
        if began_today or began_yesterday:
            return True
    return False


def validate(schedule: Schedule) -> None:
    """Raises ``invalid`` naming the window that is none."""
    for number, window in enumerate(schedule.windows):
        field = f"schedule.windows[{number}]"
        if not window.days:
            raise invalid("a window needs a day", "name days as mon, tue, ... sun", field=f"{field}.days")
        for name, text in (("from", window.start), ("to", window.end)):
            if _CLOCK.fullmatch(text) is None or (name == "from" and text == "24:00"):
                raise invalid(
                    f"{text[:20]!r} is not a time of day", "write it as HH:MM, 22:00", field=f"{field}.{name}"
                )
