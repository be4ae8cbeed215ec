"""Who did what: signed in, viewed, changed, was refused. Rows are only ever added."""

from typing import Any

import msgspec

from appliance.base.errors import invalid
from appliance.hub.store.steps import Steps, every, run


class AuditRow(msgspec.Struct, frozen=True):
    """``thing`` names what it was done to, e.g. ``box/0199...``, ``user/bob``."""

    id: int
    time_ns: int
    user_id: str | None
    username: str | None
    action: str
    thing: str
    detail: msgspec.Raw


def add(
    time_ns: int,
    user_id: str | None,
    username: str | None,
    action: str,
    thing: str,
    detail: dict[str, Any] | None = None,
) -> Steps[None]:
    """``user_id`` None: nobody signed in, a box, or the hub itself. ``detail`` holds no credentials."""
    yield from run(
        "INSERT INTO audit (time_ns, user_id, username, action, thing, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        time_ns, user_id, username, action, thing, msgspec.json.encode(detail or {}).decode(),
    )  # fmt: skip


def page(limit: int, cursor: str | None) -> Steps[tuple[list[AuditRow], str | None]]:
    """Newest first, and the cursor of the next page. Raises ``invalid`` for a cursor that is not ours."""
    rows = yield from every(
        "SELECT id, time_ns, user_id, username, action, thing, detail FROM audit"
        " WHERE id < $1 ORDER BY id DESC LIMIT $2",
        _position(cursor), limit + 1,
    )  # fmt: skip
    found = [AuditRow(**{**row, "detail": msgspec.Raw(row["detail"].encode())}) for row in rows[:limit]]
    return found, f"a{found[-1].id:x}" if len(rows) > limit else None


def _position(cursor: str | None) -> int:
    if cursor is None:
        return (1 << 63) - 1
    try:
        if cursor[:1] != "a" or len(cursor) > 16:
            raise ValueError(cursor)
        return int(cursor[1:], 16)
    except ValueError:
        raise invalid("this cursor is not one of ours", "begin again without it", field="cursor") from None
