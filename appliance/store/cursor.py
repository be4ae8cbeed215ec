"""Opaque cursors: base64url of the position of the last row that was given out.

A cursor is a position and not an offset, so rows that come in while somebody pages neither repeat
nor hide others.
"""

import base64
import binascii
import re

from appliance.base.errors import ApplianceError, invalid

_POSITION = re.compile(r"(-?\d{1,19})\.([0-9A-Za-z-]{1,64})")


def encode(time_ns: int, id_: str) -> str:
    return base64.urlsafe_b64encode(f"{time_ns}.{id_}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[int, str]:
    """(time_ns, id) of the last row given out. Raises ``invalid`` for what ``encode`` never made."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = _POSITION.fullmatch(base64.b64decode(padded, b"-_", validate=True).decode("ascii"))
    except (UnicodeError, binascii.Error):
        raise _garbage() from None
    if found is None or abs(int(found[1])) >= 1 << 63:
        raise _garbage()
    return int(found[1]), found[2]


def _garbage() -> ApplianceError:
    return invalid("this cursor is not one of ours", "begin again without a cursor", field="cursor")
