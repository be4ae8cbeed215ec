"""Events over all sites that a person may see, newest first."""

import msgspec

from appliance.hub.store.paging import Terms, decode, encode
from appliance.hub.store.steps import Steps, every, listed
from appliance.hub.store.users import SEEN

MOST_WALKS = 50  # there are not so many types
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
    """Empty: all. Times are half-open, and of ``shown_ns``. ``camera``: an id, or a piece of a name."""

    site_ids: tuple[str, ...] = ()
    box_ids: tuple[str, ...] = ()
    camera_ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    class_name: str = ""
    camera: str = ""


def page(
    user_id: str, wanted: EventFilter, limit: int, cursor: str | None = None
) -> Steps[tuple[list[SeenEvent], str | None]]:
    shared = Terms(f"r.kind = 'event' AND {SEEN}", user_id)
    _narrow(shared, wanted, cursor)
    driver, values, others = _driver(wanted)
    for column, several in others:
        shared.add(f"{column} IN ({', '.join('{}' for _ in several)})", *several)
    order, most = "shown_ns DESC, id DESC, box_id DESC", shared.bind(limit + 1)
    picked = f"SELECT {_COLUMNS} FROM rows r JOIN boxes b ON b.id = r.box_id WHERE {shared}"
    sorted_ = " ORDER BY r.shown_ns DESC, r.id DESC, r.box_id DESC LIMIT "
    if values:
        # A walk over one index for each value, merged: given them together, a database sorts all of them.
        parts = [
            f"SELECT * FROM ({picked} AND {driver} = {shared.bind(value)}{sorted_}{most}) AS part{n}"
            for n, value in enumerate(values)
        ]
        statement = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS parts ORDER BY {order} LIMIT {most}"
    else:
        statement = f"{picked}{sorted_}{most}"
    rows = yield from every(statement, *shared.args)
    found = [SeenEvent(**row) for row in rows[:limit]]
    more = encode(found[-1].shown_ns, found[-1].id, found[-1].box_id) if len(rows) > limit else None
    return found, more


def _narrow(terms: Terms, wanted: EventFilter, cursor: str | None) -> None:
    """All but what has an index of its own."""
    for column, values in (
        ("b.site_id", wanted.site_ids),
        ("r.box_id", wanted.box_ids),
        ("r.camera_id", wanted.camera_ids),
    ):
        if values:
            terms.add(column + " IN EACH({})", listed(values))
    if wanted.class_name:  # not indexed: the body is looked through, newest first
        named = msgspec.json.encode(wanted.class_name).decode()
        terms.add("(r.body LIKE {} OR r.body LIKE {})", f'%"class_name":{named}%', f'%"class_name": {named}%')
    if wanted.camera:
        terms.add(
            "(r.camera_id = {} OR EXISTS (SELECT 1 FROM names n WHERE n.box_id = r.box_id"
            " AND n.what = 'camera' AND n.id = r.camera_id AND lower(n.name) LIKE {}))",
            wanted.camera, f"%{wanted.camera.lower()}%",
        )  # fmt: skip
    if wanted.start_ns is not None:
        terms.add("r.shown_ns >= {}", wanted.start_ns)
    if wanted.end_ns is not None:
        terms.add("r.shown_ns < {}", wanted.end_ns)
    if cursor is not None:
        terms.add("(r.shown_ns, r.id, r.box_id) < ({}, {}, {})", *decode(cursor, (int, str, str)))


def _driver(wanted: EventFilter) -> tuple[str, list[str], list[tuple[str, list[str]]]]:
    """(the column whose index is walked, its values, terms on the other one). No values: newest first, over
    all; so it is for one box, too, which has an index of its own."""
    named = [
        (column, sorted(set(values)))
        for column, values in (("r.type", wanted.types), ("r.severity", wanted.severities))
        if values
    ]
    if wanted.box_ids or not named or len(named[0][1]) > MOST_WALKS:
        return "", [], named
    return *named[0], named[1:]


def get(user_id: str, box_id: str, event_id: str) -> Steps[SeenEvent | None]:
    rows = yield from every(
        f"SELECT {_COLUMNS} FROM rows r JOIN boxes b ON b.id = r.box_id"
        f" WHERE {SEEN} AND r.box_id = $2 AND r.id = $3 AND r.kind = 'event'",
        user_id, box_id, event_id,
    )  # fmt: skip
    return SeenEvent(**rows[0]) if rows else None
