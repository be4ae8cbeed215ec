"""What is old goes: rows, alerts, files. What was acknowledged stays acknowledged.

The journal (``received``, ``tallies``) is never shortened: an id that was told to a box as held is told so
for ever, so that no reconciliation, no late stick and no lost answer brings back what was let go on purpose.
That costs about a hundred bytes per row ever received. Whatever belongs to an alert that nobody has
acknowledged stays until the alert is as old as ``alerts_before_ns`` says.
"""

from typing import Literal

import msgspec

from appliance.hub.store import uploads
from appliance.hub.store.alerts import recount
from appliance.hub.store.steps import Steps, every
from appliance.hub.store.uploads import COLUMNS, Upload

# $2: alerts_before_ns. ``t`` is the row's table.
OPEN_ALERT = (
    "EXISTS (SELECT 1 FROM alerts a WHERE a.box_id = t.box_id AND a.event_id = {event_id}"
    " AND a.status = 'new' AND a.created_ns >= $2)"
)


class Before(msgspec.Struct, frozen=True):
    """What is older may go. Nanoseconds, by where a row stands in lists; of files, when they were made."""

    rows_ns: int
    files_ns: int
    alerts_ns: int


def expire_rows(before: Before, table: Literal["rows", "rows_rest"], limit: int) -> Steps[int]:
    """At most ``limit``, oldest first; how many went. ``table``: on PostgreSQL months go as a whole
    (``Store.drop_months``), and only what lies beside them goes row by row."""
    rows = yield from every(
        f"DELETE FROM {table} WHERE (box_id, id, created_ns) IN (SELECT t.box_id, t.id, t.created_ns"
        f" FROM {table} t WHERE t.shown_ns < $1 AND NOT {OPEN_ALERT.format(event_id='t.id')}"
        f" ORDER BY t.shown_ns LIMIT {int(limit)}) RETURNING 1 AS gone",
        before.rows_ns, before.alerts_ns,
    )  # fmt: skip
    return len(rows)


def expire_alerts(before: Before, limit: int) -> Steps[int]:
    rows = yield from every(
        "DELETE FROM alerts WHERE (box_id, id) IN (SELECT box_id, id FROM alerts"
        " WHERE created_ns < $1 AND (status <> 'new' OR created_ns < $2)"
        f" ORDER BY created_ns LIMIT {int(limit)}) RETURNING box_id",
        before.rows_ns, before.alerts_ns,
    )  # fmt: skip
    for box_id in sorted({row["box_id"] for row in rows}):
        yield from recount(box_id)
    yield from every("DELETE FROM early WHERE created_ns < $1", before.rows_ns)
    return len(rows)


def expire_files(before: Before, limit: int, now_ns: int) -> Steps[tuple[int, int]]:
    """Also those on their way that nobody went on with since; (how many, their bytes)."""
    named = ", ".join(f"t.{name}" for name in COLUMNS.split(", "))
    rows = yield from every(
        f"SELECT {named} FROM uploads t WHERE t.created_ns < $1 AND (t.state = 'complete'"
        f" OR t.changed_ns < $1) AND NOT {OPEN_ALERT.format(event_id='t.event_id')}"
        f" ORDER BY t.created_ns LIMIT {int(limit)}",
        before.files_ns, before.alerts_ns,
    )  # fmt: skip
    return (yield from _let_go([Upload(**row) for row in rows], now_ns))


class Over(msgspec.Struct, frozen=True):
    """A box or a site that holds more bytes of files than it may."""

    id: str
    over_bytes: int


def over(what: Literal["box", "site"], most_bytes: int) -> Steps[list[Over]]:
    key = "f.box_id" if what == "box" else "b.site_id"
    rows = yield from every(
        f"SELECT {key} AS id, CAST(sum(f.size_bytes) AS BIGINT) AS held FROM uploads f"
        f" JOIN boxes b ON b.id = f.box_id WHERE f.state = 'complete' AND {key} IS NOT NULL"
        f" GROUP BY {key} HAVING sum(f.size_bytes) > $1",
        most_bytes,
    )
    return [Over(row["id"], int(row["held"]) - most_bytes) for row in rows]


def expire_over(
    what: Literal["box", "site"], one: Over, before: Before, limit: int, now_ns: int
) -> Steps[tuple[int, int]]:
    """The oldest files of ``one``, until it is within its bytes again; (how many, their bytes)."""
    named = ", ".join(f"t.{name}" for name in COLUMNS.split(", "))
    key = "t.box_id" if what == "box" else "b.site_id"
    rows = yield from every(
        f"SELECT {named} FROM uploads t JOIN boxes b ON b.id = t.box_id WHERE t.state = 'complete'"
        f" AND {key} = $1 AND NOT {OPEN_ALERT.format(event_id='t.event_id')}"
        f" ORDER BY t.created_ns LIMIT {int(limit)}",
        one.id, before.alerts_ns,
    )  # fmt: skip
    going, left_bytes = [], one.over_bytes
    for upload in (Upload(**row) for row in rows):
        if left_bytes <= 0:
            break
        left_bytes -= upload.size_bytes
        going.append(upload)
    return (yield from _let_go(going, now_ns))


def _let_go(found: list[Upload], now_ns: int) -> Steps[tuple[int, int]]:
    count, size_bytes = 0, 0
    for upload in found:
        if (yield from uploads.let_go(upload, now_ns)):
            count += 1
            size_bytes += upload.received_bytes
    return count, size_bytes
