"""Alerts as they stand now, put together from the rows that told of them; the newest word wins."""

import msgspec

from appliance.hub.store.paging import Terms, decode, encode
from appliance.hub.store.steps import Steps, every, listed, run
from appliance.hub.store.users import SEEN

MOST_OF_EVENT = 5  # it is one, as far as a box behaves


class AlertFacts(msgspec.Struct, frozen=True):
    """``id``: the alert's own, of which an update's row id is another. ``created_ns``: the alert's."""

    id: str
    event_id: str
    camera_id: str
    severity: str
    status: str
    created_ns: int


def follow(
    box_id: str, row_id: str, said_ns: int, off: bool, body: str, facts: AlertFacts, now_ns: int
) -> Steps[None]:
    """Rows may come in any order: what was said later (by the box's clock; at one moment: by the greater
    row id, which grows with time) stands. ``off``: that clock is not to be believed; then, and against a
    word of such a clock, what arrives later stands, and the alert is listed by its arrival."""
    created_ns = now_ns if off else facts.created_ns
    yield from run(
        "INSERT INTO alerts (box_id, id, event_id, camera_id, severity, status, created_ns, updated_ns,"
        " updated_by, updated_off, arrived_ns, body)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
        " ON CONFLICT (box_id, id) DO UPDATE SET severity = excluded.severity, status = excluded.status,"
        " updated_ns = excluded.updated_ns, updated_by = excluded.updated_by,"
        " updated_off = excluded.updated_off, body = excluded.body"
        " WHERE excluded.updated_off = 1 OR alerts.updated_off = 1"
        " OR excluded.updated_ns > alerts.updated_ns"
        " OR (excluded.updated_ns = alerts.updated_ns AND excluded.updated_by > alerts.updated_by)",
        box_id, facts.id, facts.event_id, facts.camera_id, facts.severity, facts.status, created_ns,
        said_ns, row_id, int(off), now_ns, body,
    )  # fmt: skip


def recount(box_id: str) -> Steps[None]:
    """After changes of a box's alerts, in their transaction: what the fleet is sorted by."""
    yield from run(
        "UPDATE boxes SET"
        " alerts_open = (SELECT count(*) FROM alerts WHERE box_id = $1 AND status = 'new'),"
        " alerts_critical = (SELECT count(*) FROM alerts"
        " WHERE box_id = $1 AND status = 'new' AND severity = 'critical') WHERE id = $1",
        box_id,
    )


class SeenAlert(msgspec.Struct, frozen=True):
    """``body``: JSON in the contract's shape, newest. ``wish_*``: acknowledged here by a person; counts
    once the box says so."""

    box_id: str
    id: str
    status: str
    severity: str
    created_ns: int
    arrived_ns: int
    body: str
    wish_ns: int | None
    wish_by: str | None
    wish_note: str | None
    box_name: str
    site_id: str | None


class AlertFilter(msgspec.Struct, frozen=True):
    """Empty: all."""

    site_ids: tuple[str, ...] = ()
    box_ids: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()


_SEEN_COLUMNS = (
    "a.box_id, a.id, a.status, a.severity, a.created_ns, a.arrived_ns, a.body, a.wish_ns, a.wish_by,"
    " a.wish_note, b.name AS box_name, b.site_id"
)


def page(
    user_id: str, wanted: AlertFilter, limit: int, cursor: str | None = None
) -> Steps[tuple[list[SeenAlert], str | None]]:
    """Newest first."""
    terms = Terms(SEEN, user_id)
    for column, values in (
        ("b.site_id", wanted.site_ids),
        ("a.box_id", wanted.box_ids),
        ("a.status", wanted.statuses),
        ("a.severity", wanted.severities),
    ):
        if values:
            terms.add(column + " IN EACH({})", listed(values))
    if cursor is not None:
        terms.add("(a.created_ns, a.id, a.box_id) < ({}, {}, {})", *decode(cursor, (int, str, str)))
    rows = yield from every(
        f"SELECT {_SEEN_COLUMNS} FROM alerts a JOIN boxes b ON b.id = a.box_id WHERE {terms}"
        f" ORDER BY a.created_ns DESC, a.id DESC, a.box_id DESC LIMIT {terms.bind(limit + 1)}",
        *terms.args,
    )
    found = [SeenAlert(**row) for row in rows[:limit]]
    more = encode(found[-1].created_ns, found[-1].id, found[-1].box_id) if len(rows) > limit else None
    return found, more


def get(user_id: str, box_id: str, alert_id: str) -> Steps[SeenAlert | None]:
    """None where there is none for this person."""
    rows = yield from every(
        f"SELECT {_SEEN_COLUMNS} FROM alerts a JOIN boxes b ON b.id = a.box_id"
        f" WHERE {SEEN} AND a.box_id = $2 AND a.id = $3",
        user_id, box_id, alert_id,
    )  # fmt: skip
    return SeenAlert(**rows[0]) if rows else None


def of_event(user_id: str, box_id: str, event_id: str) -> Steps[list[SeenAlert]]:
    """Oldest first; at most ``MOST_OF_EVENT``."""
    rows = yield from every(
        f"SELECT {_SEEN_COLUMNS} FROM alerts a JOIN boxes b ON b.id = a.box_id"
        f" WHERE {SEEN} AND a.box_id = $2 AND a.event_id = $3"
        f" ORDER BY a.created_ns, a.id LIMIT {MOST_OF_EVENT}",
        user_id, box_id, event_id,
    )  # fmt: skip
    return [SeenAlert(**row) for row in rows]


def wish(user_id: str, box_id: str, alert_id: str, username: str, note: str, now_ns: int) -> Steps[bool]:
    """A person here acknowledges: written down, and the box is to be told. The statement itself asks for
    the role and the site. False where it is not new any more, was wished before, or is not theirs."""
    rows = yield from every(
        "UPDATE alerts SET wish_ns = $4, wish_by = $5, wish_note = $6"
        " WHERE box_id = $2 AND id = $3 AND status = 'new' AND wish_ns IS NULL"
        f" AND EXISTS (SELECT 1 FROM boxes b WHERE b.id = $2 AND {SEEN})"
        " AND EXISTS (SELECT 1 FROM users o WHERE o.id = $1 AND o.role IN ('operator', 'admin'))"
        " RETURNING id",
        user_id, box_id, alert_id, now_ns, username, note,
    )  # fmt: skip
    return bool(rows)
