"""Which detector the owner wants: three rows of the settings, written together.

``detector``: ``auto``, ``motion`` or a pack's name. ``detector_backend``: ``auto`` or one of
``BACKENDS``. ``detector_shadow_s``: for how many seconds the new one runs beside the old one before
it takes over; 0: at once. The daemon sees the change by itself (``PRAGMA data_version``).
"""

import sqlite3

import msgspec

from appliance.base.errors import invalid
from appliance.base.model import User
from appliance.store import audit, settings

DETECTOR, BACKEND, SHADOW_S = "detector", "detector_backend", "detector_shadow_s"
AUTO, MOTION = "auto", "motion"
BACKENDS = ("onnxruntime", "openvino", "tensorrt")
LONGEST_SHADOW_S = 86_400.0


class Choice(msgspec.Struct, frozen=True):
    detector: str = AUTO
    backend: str = AUTO
    shadow_s: float = 0.0


def read(conn: sqlite3.Connection) -> Choice:
    """What was chosen last; what was never chosen, or is of no use, is its default."""
    detector, backend, shadow_s = (settings.get_value(conn, key) for key in (DETECTOR, BACKEND, SHADOW_S))
    return Choice(
        detector if isinstance(detector, str) and detector else AUTO,
        backend if backend in BACKENDS else AUTO,
        float(shadow_s) if isinstance(shadow_s, int | float) and 0 <= shadow_s <= LONGEST_SHADOW_S else 0.0,
    )


def write(conn: sqlite3.Connection, choice: Choice, now_ns: int, user: User | None, by: str) -> None:
    """All three and the audit's row; to be called in one transaction. ``by``: ``command`` or ``api``.

    Raises ``invalid`` for a backend or a time that is none. That the pack is installed is for the caller
    to see.
    """
    if choice.backend not in (AUTO, *BACKENDS):
        known = ", ".join((AUTO, *BACKENDS))
        raise invalid(f"there is no backend {choice.backend[:60]!r}", f"known ones: {known}", field="backend")
    if not 0 <= choice.shadow_s <= LONGEST_SHADOW_S:
        raise invalid("the shadow's time is not 0 to 86400 seconds", "0 switches at once", field="shadow_s")
    settings.set_value(conn, DETECTOR, choice.detector)
    settings.set_value(conn, BACKEND, choice.backend)
    settings.set_value(conn, SHADOW_S, choice.shadow_s)
    detail = {"activated": True, "backend": choice.backend, "shadow_s": choice.shadow_s, "by": by}
    audit.add(conn, now_ns, user, "changed", f"model/{choice.detector}", detail)


def put_back(conn: sqlite3.Connection, failed: str, before: Choice, reason: str, now_ns: int) -> bool:
    """``failed`` was refused or rolled back: the next start must not take it again. False where people
    have chosen something else meanwhile."""
    if read(conn).detector != failed:
        return False
    for key, value in zip((DETECTOR, BACKEND, SHADOW_S), msgspec.structs.astuple(before), strict=True):
        settings.set_value(conn, key, value)
    audit.add(conn, now_ns, None, "changed", f"model/{failed}", {"rolled_back": True, "reason": reason})
    return True
