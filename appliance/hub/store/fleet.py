"""The fleet as a person sees it: worst first, and only of the sites that the person may see."""

from typing import Final

import msgspec

from appliance.hub.store.paging import Terms, decode, encode
from appliance.hub.store.steps import Found, Steps, every, listed
from appliance.hub.store.users import SEEN
from appliance.sync.protocol.heartbeat import STOPPING

BEHIND_ROWS: Final = 1_000  # more than a batch waits: the link is too thin, or was away for long
# What a person must look at first. 9: revoked, and nothing is expected of it.
_RANK: Final = (
    "CASE WHEN b.token_hash IS NULL THEN 9 WHEN b.presence = 'offline' THEN 0"
    f" WHEN b.status = '{STOPPING}' THEN 1 WHEN b.status = 'failing' THEN 2"
    " WHEN b.alerts_critical > 0 THEN 3 WHEN b.status = 'degraded' THEN 4 WHEN b.alerts_open > 0 THEN 5"
    f" WHEN b.parked > 0 OR b.waiting >= {BEHIND_ROWS} THEN 6 WHEN b.presence = 'never' THEN 7"
    " ELSE 8 END"
)
_FLEET: Final = (
    "SELECT b.id, b.name, b.site_id, s.name AS site_name, b.tags, b.version, b.enrolled_ns, b.seen_ns,"
    " b.heartbeat_ns, b.heartbeat, b.clock_offset_ns, b.status, b.presence, b.presence_ns, b.parked,"
    " b.waiting, b.tunnel_address, CASE WHEN b.token_hash IS NULL THEN 1 ELSE 0 END AS revoked,"
    f" b.alerts_open, b.alerts_critical, b.first_enrolled_ns, b.told_name, b.told_zone, b.directory,"
    f" s.time_zone AS site_zone, {_RANK} AS place"
    " FROM boxes b LEFT JOIN sites s ON s.id = b.site_id"
)


class FleetBox(msgspec.Struct, frozen=True):
    """``place``: 0 worst ... 9. ``tags`` and ``heartbeat``: JSON as it is stored; ``heartbeat`` None:
    never heard. ``told_name`` and ``told_zone``: by the box itself."""

    id: str
    name: str
    site_id: str | None
    site_name: str | None
    tags: str
    version: str
    enrolled_ns: int
    seen_ns: int | None
    heartbeat_ns: int | None
    heartbeat: str | None
    clock_offset_ns: int
    status: str
    presence: str
    presence_ns: int
    parked: int
    waiting: int
    tunnel_address: str | None
    revoked: int
    alerts_open: int
    alerts_critical: int
    first_enrolled_ns: int
    told_name: str
    told_zone: str
    directory: str
    site_zone: str | None
    place: int


def page(
    user_id: str,
    limit: int,
    cursor: str | None = None,
    *,
    site_ids: tuple[str, ...] = (),
    search: str = "",
    tag: str = "",
    version: str = "",
    place: int | None = None,
) -> Steps[tuple[list[FleetBox], str | None]]:
    """Worst first, then by name; and the next page's cursor."""
    terms = _terms(user_id, site_ids, search, tag, version)
    after = "" if place is None else f" WHERE place = {terms.bind(place)}"
    if cursor is not None:
        marks = ", ".join(terms.bind(part) for part in decode(cursor, (int, str, str)))
        after += f"{' AND' if after else ' WHERE'} (place, name, id) > ({marks})"
    rows = yield from every(
        f"SELECT * FROM ({_FLEET} WHERE {terms}) AS fleet{after}"
        f" ORDER BY place, name, id LIMIT {terms.bind(limit + 1)}",
        *terms.args,
    )
    found = [_box(row) for row in rows[:limit]]
    return found, encode(found[-1].place, found[-1].name, found[-1].id) if len(rows) > limit else None


def get(user_id: str, box_id: str) -> Steps[FleetBox | None]:
    """None where there is no such box for this person."""
    rows = yield from every(f"{_FLEET} WHERE {SEEN} AND b.id = $2", user_id, box_id)
    return _box(rows[0]) if rows else None


def tally(
    user_id: str, *, site_ids: tuple[str, ...] = (), search: str = "", tag: str = "", version: str = ""
) -> Steps[dict[int, int]]:
    """How many boxes stand at each ``place``."""
    terms = _terms(user_id, site_ids, search, tag, version)
    rows = yield from every(
        f"SELECT {_RANK} AS place, count(*) AS boxes FROM boxes b WHERE {terms} GROUP BY 1", *terms.args
    )
    return {int(row["place"]): int(row["boxes"]) for row in rows}


def _terms(user_id: str, site_ids: tuple[str, ...], search: str, tag: str, version: str) -> Terms:
    terms = Terms(SEEN, user_id)
    if site_ids:
        terms.add("b.site_id IN EACH({})", listed(site_ids))
    if search:
        like = f"%{search.lower()}%"
        terms.add(
            "(lower(b.name) LIKE {} OR lower(b.tags) LIKE {} OR lower(b.id) LIKE {} OR b.site_id LIKE {})",
            like, like, like, like,
        )  # fmt: skip
    if tag:
        terms.add("b.tags LIKE {}", f"%{listed([tag])[1:-1]}%")
    if version:
        terms.add("b.version = {}", version)
    return terms


def _box(row: Found) -> FleetBox:
    return FleetBox(**row)
