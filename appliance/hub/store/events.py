"""Events over all sites that a person may see, newest first."""

import msgspec

from appliance.hub.store.paging import Terms, decode, encode
from appliance.hub.store.steps import Steps, every, listed
from appliance.hub.store.users import SEEN

_COLUMNS = (
    "r.box_id, r.id, r.created_ns, r.arrived_ns, r.clock_off, r.shown_ns, r.by_hub, r.body,"
    " b.name AS box_name, b.site_id"
)


class SeenEvent(msgspec.Struct, frozen=True):
    """``body``: JSON in the contract's shape, newest. ``shown_ns``: when it happened, or, where the box's
    clock is not to be believed, when it arrived."""

    box_id: str
    id: str
    created_ns: int
    arrived_ns: int
    clock_off: int
    shown_ns: int
    by_hub: int
    body: str
    box_name: str
    site_id: str | None


class EventFilter(msgspec.Struct, frozen=True):
    """Empty: all. Times are half-open, and of ``shown_ns``."""

    site_ids: tuple[str, ...] = ()
    box_ids: tuple[str, ...] = ()
    camera_ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None


def page(
    user_id: str, wanted: EventFilter, limit: int, cursor: str | None = None
) -> Steps[tuple[list[SeenEvent], str | None]]:
    terms = Terms(f"r.kind = 'event' AND {SEEN}", user_id)
    for column, values in (
        ("b.site_id", wanted.site_ids),
        ("r.box_id", wanted.box_ids),
        ("r.camera_id", wanted.camera_ids),
        ("r.type", wanted.types),
        ("r.severity", wanted.severities),
    ):
        if values:
            terms.add(column + " IN EACH({})", listed(values))
    if wanted.start_ns is not None:
        terms.add("r.shown_ns >= {}", wanted.start_ns)
    if wanted.end_ns is not None:
        terms.add("r.shown_ns < {}", wanted.end_ns)
    if cursor is not None:
        terms.add("(r.shown_ns, r.id, r.box_id) < ({}, {}, {})", *decode(cursor, (int, str, str)))
    rows = yield from every(
        f"SELECT {_COLUMNS} FROM rows r JOIN boxes b ON b.id = r.box_id WHERE {terms}"
        f" ORDER BY r.shown_ns DESC, r.id DESC, r.box_id DESC LIMIT {terms.bind(limit + 1)}",
        *terms.args,
    )
    found = [SeenEvent(**row) for row in rows[:limit]]
    more = encode(found[-1].shown_ns, found[-1].id, found[-1].box_id) if len(rows) > limit else None
    return found, more


def get(user_id: str, box_id: str, event_id: str) -> Steps[SeenEvent | None]:
    rows = yield from every(
        f"SELECT {_COLUMNS} FROM rows r JOIN boxes b ON b.id = r.box_id"
        f" WHERE {SEEN} AND r.box_id = $2 AND r.id = $3 AND r.kind = 'event'",
        user_id, box_id, event_id,
    )  # fmt: skip
    return SeenEvent(**rows[0]) if rows else None
