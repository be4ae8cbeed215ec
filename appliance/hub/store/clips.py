"""Files as people look for them: of one event, of one box, newest first; also those still on their way."""

from collections.abc import Sequence

from appliance.hub.store.paging import Terms, decode, encode
from appliance.hub.store.steps import Steps, every, listed
from appliance.hub.store.uploads import COLUMNS, Upload
from appliance.hub.store.users import SEEN

_NAMED = ", ".join(f"f.{name}" for name in COLUMNS.split(", "))
_FROM = f"SELECT {_NAMED} FROM uploads f JOIN boxes b ON b.id = f.box_id"


def page(
    user_id: str,
    limit: int,
    cursor: str | None = None,
    *,
    box_ids: tuple[str, ...] = (),
    event_ids: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    states: tuple[str, ...] = (),
) -> Steps[tuple[list[Upload], str | None]]:
    terms = Terms(SEEN, user_id)
    for column, values in (
        ("f.box_id", box_ids),
        ("f.event_id", event_ids),
        ("f.kind", kinds),
        ("f.state", states),
    ):
        if values:
            terms.add(column + " IN EACH({})", listed(values))
    if cursor is not None:
        terms.add("(f.created_ns, f.id, f.box_id) < ({}, {}, {})", *decode(cursor, (int, str, str)))
    rows = yield from every(
        f"{_FROM} WHERE {terms} ORDER BY f.created_ns DESC, f.id DESC, f.box_id DESC"
        f" LIMIT {terms.bind(limit + 1)}",
        *terms.args,
    )
    found = [Upload(**row) for row in rows[:limit]]
    more = encode(found[-1].created_ns, found[-1].id, found[-1].box_id) if len(rows) > limit else None
    return found, more


def get(user_id: str, box_id: str, upload_id: str) -> Steps[Upload | None]:
    """None where there is none for this person."""
    rows = yield from every(
        f"{_FROM} WHERE {SEEN} AND f.box_id = $2 AND f.id = $3", user_id, box_id, upload_id
    )
    return Upload(**rows[0]) if rows else None


def of_events(user_id: str, events: Sequence[tuple[str, str]]) -> Steps[dict[tuple[str, str], list[Upload]]]:
    """(box, event) -> its files."""
    rows = yield from every(
        f"{_FROM} WHERE {SEEN} AND f.box_id IN EACH($2) AND f.event_id IN EACH($3) ORDER BY f.created_ns",
        user_id, listed([box_id for box_id, _ in events]), listed([event_id for _, event_id in events]),
    )  # fmt: skip
    found: dict[tuple[str, str], list[Upload]] = {}
    for row in rows:
        found.setdefault((row["box_id"], row["event_id"]), []).append(Upload(**row))
    return found
