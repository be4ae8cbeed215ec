"""What things on boxes are called: told by the box, read by those who may see it."""

from collections.abc import Iterable

import msgspec

from appliance.hub.store.steps import Steps, every, insert, listed, lock, run
from appliance.hub.store.users import SEEN
from appliance.sync.protocol.directory import Directory

MOST_UNLISTED = 2_000  # names of what a box has no more, for the events that speak of it
NO_ZONE = "Etc/UTC"  # what hub and box say until somebody has chosen one

_COLUMNS = {
    "box_id": "text",
    "what": "text",
    "id": "text",
    "name": "text",
    "camera_id": "text",
    "streams": "text",
    "enabled": "bigint",
    "place": "bigint",
    "listed": "bigint",
    "told_ns": "bigint",
}
_Row = tuple[str, str, str, str, str, str, int, int, int, int]


def put(box_id: str, digest: str, told: Directory, now_ns: int) -> Steps[None]:
    """In place of the one before. Names that are not in it any more stay for old events, bounded."""
    yield from lock(f"box {box_id}")
    yield from run(
        "UPDATE boxes SET directory = $2, told_name = $3, told_zone = $4 WHERE id = $1",
        box_id, digest, told.name, told.time_zone,
    )  # fmt: skip
    yield from run("UPDATE names SET listed = 0 WHERE box_id = $1 AND listed = 1", box_id)
    rows = _rows(box_id, told, now_ns)
    for what in ("camera", "zone", "rule"):
        ids = listed([row[2] for row in rows if row[1] == what])
        yield from run(
            "DELETE FROM names WHERE box_id = $1 AND what = $2 AND id IN EACH($3)", box_id, what, ids
        )
    yield from insert("names", _COLUMNS, rows)
    yield from run(
        "DELETE FROM names WHERE box_id = $1 AND listed = 0 AND (what, id) NOT IN (SELECT what, id FROM names"
        f" WHERE box_id = $1 AND listed = 0 ORDER BY told_ns DESC, id DESC LIMIT {MOST_UNLISTED})",
        box_id,
    )


def _rows(box_id: str, told: Directory, now_ns: int) -> list[_Row]:
    found: list[_Row] = []
    for place, camera in enumerate(told.cameras):
        streams = listed(camera.streams)
        enabled = int(camera.enabled)
        found.append((box_id, "camera", camera.id, camera.name, "", streams, enabled, place, 1, now_ns))
    for place, zone in enumerate(told.zones):
        found.append((box_id, "zone", zone.id, zone.name, zone.camera_id, "[]", 1, place, 1, now_ns))
    for place, rule in enumerate(told.rules):
        found.append((box_id, "rule", rule.id, rule.name, "", "[]", int(rule.enabled), place, 1, now_ns))
    return found


class Named(msgspec.Struct, frozen=True):
    """``streams``: JSON list. ``camera_id``: of a zone."""

    what: str
    id: str
    name: str
    camera_id: str
    streams: str
    enabled: int


def of_box(user_id: str, box_id: str) -> Steps[list[Named]]:
    """Those that the box has now, in its own order."""
    rows = yield from every(
        "SELECT n.what, n.id, n.name, n.camera_id, n.streams, n.enabled"
        " FROM names n JOIN boxes b ON b.id = n.box_id"
        f" WHERE {SEEN} AND n.box_id IN EACH($2) AND n.listed = 1 ORDER BY n.what, n.place",
        user_id, listed([box_id]),
    )  # fmt: skip
    return [Named(**row) for row in rows]


def box_names(user_id: str, box_ids: Iterable[str]) -> Steps[dict[str, str]]:
    """What boxes are called here, by id."""
    rows = yield from every(
        f"SELECT b.id, b.name FROM boxes b WHERE {SEEN} AND b.id IN EACH($2)",
        user_id, listed(sorted(set(box_ids))),
    )  # fmt: skip
    return {row["id"]: row["name"] for row in rows}


class Known(msgspec.Struct, frozen=True):
    """``names``: (box, camera | zone | rule, id) -> name. ``time_zones``: box -> IANA name; without an entry
    nobody has said where the box is."""

    names: dict[tuple[str, str, str], str] = {}
    time_zones: dict[str, str] = {}

    def name(self, box_id: str, what: str, id_: str) -> str:
        """Empty where it is not known."""
        return self.names.get((box_id, what, id_), "")


def known(user_id: str, things: Iterable[tuple[str, str]]) -> Steps[Known]:
    """Of ``things`` (box, id), as far as the person may see their boxes; an empty id asks for the box's time
    zone alone. The hub's own word for a site's zone counts before the box's."""
    pairs = set(things)
    box_ids = listed(sorted({box_id for box_id, _ in pairs}))
    ids = listed(sorted({id_ for _, id_ in pairs if id_}))
    places = yield from every(
        "SELECT b.id, b.told_zone, s.time_zone FROM boxes b LEFT JOIN sites s ON s.id = b.site_id"
        f" WHERE {SEEN} AND b.id IN EACH($2)",
        user_id, box_ids,
    )  # fmt: skip
    rows = yield from every(
        "SELECT n.box_id, n.what, n.id, n.name FROM names n JOIN boxes b ON b.id = n.box_id"
        f" WHERE {SEEN} AND n.box_id IN EACH($2) AND n.id IN EACH($3)",
        user_id, box_ids, ids,
    )  # fmt: skip
    return Known(
        {(row["box_id"], row["what"], row["id"]): row["name"] for row in rows if row["name"]},
        {row["id"]: zone for row in places if (zone := zone_of(row["time_zone"], row["told_zone"]))},
    )


def zone_of(of_site: str | None, told: str) -> str:
    """Where somebody has chosen one; else empty."""
    return next((zone for zone in (of_site, told) if zone and zone != NO_ZONE), "")
