"""What pages ask of the whole fleet beside its list: versions, tags, what is held, where sites stand."""

from collections.abc import Sequence

import msgspec

from appliance.hub.store import sites
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import Steps, every, listed, one
from appliance.hub.store.users import SEEN

MOST_TAGS = 200
MOST_SITES = 300  # in a list to choose from; a page with thousands of them would be nothing else


class VersionCount(msgspec.Struct, frozen=True):
    """Boxes of one version; ``online`` of them are there just now."""

    version: str
    boxes: int
    online: int


class SiteCount(msgspec.Struct, frozen=True):
    """Sites at one place of the map: degrees, and their boxes. ``sites``: how many; of several ``id`` and
    ``name`` are one's. ``offline`` and ``troubled`` (failing or degraded) of the boxes."""

    id: str
    name: str
    latitude: float
    longitude: float
    sites: int
    boxes: int
    offline: int
    troubled: int


def versions(user_id: str) -> Steps[list[VersionCount]]:
    """Those of boxes that are not revoked, most first."""
    rows = yield from every(
        "SELECT b.version, count(*) AS boxes,"
        " CAST(sum(CASE WHEN b.presence = 'online' THEN 1 ELSE 0 END) AS BIGINT) AS online"
        f" FROM boxes b WHERE {SEEN} AND b.token_hash IS NOT NULL"
        " GROUP BY b.version ORDER BY boxes DESC, b.version DESC",
        user_id,
    )
    return [VersionCount(**row) for row in rows]


def tags(user_id: str) -> Steps[list[str]]:
    """In use, sorted; at most ``MOST_TAGS``."""
    rows = yield from every(f"SELECT DISTINCT b.tags FROM boxes b WHERE {SEEN} AND b.tags <> '[]'", user_id)
    found = {tag for row in rows for tag in msgspec.json.decode(row["tags"], type=list[str])}
    return sorted(found)[:MOST_TAGS]


def held(user_id: str, box_ids: Sequence[str]) -> Steps[dict[str, int]]:
    """box -> how many of its rows and files we hold; a box without any is missing."""
    rows = yield from every(
        "SELECT t.box_id, CAST(sum(t.count) AS BIGINT) AS held FROM tallies t JOIN boxes b ON b.id = t.box_id"
        f" WHERE {SEEN} AND t.box_id IN EACH($2) GROUP BY t.box_id",
        user_id, listed(box_ids),
    )  # fmt: skip
    return {row["box_id"]: int(row["held"]) for row in rows}


def some_sites(user_id: str) -> Steps[list[Site]]:
    """All that the person may see, by name, where a list of them can be chosen from; else none."""
    row = yield from one(
        "SELECT count(*) AS found FROM (SELECT 1 AS there FROM"
        f" (SELECT id AS site_id FROM sites) AS b WHERE {SEEN} LIMIT {MOST_SITES + 1}) AS seen",
        user_id,
    )
    return [] if row is None or row["found"] > MOST_SITES else (yield from sites.seen_by(user_id))


def on_the_map(user_id: str, cell_degrees: float) -> Steps[list[SiteCount]]:
    """Sites with coordinates, those within one cell together."""
    rows = yield from every(
        "SELECT min(s.id) AS id, min(s.name) AS name, avg(s.latitude) AS latitude,"
        " avg(s.longitude) AS longitude, count(DISTINCT s.id) AS sites, count(*) AS boxes,"
        " CAST(sum(CASE WHEN b.presence = 'offline' THEN 1 ELSE 0 END) AS BIGINT) AS offline,"
        " CAST(sum(CASE WHEN b.presence = 'online' AND b.status IN ('failing', 'degraded', 'stopping')"
        " THEN 1 ELSE 0 END)"
        " AS BIGINT) AS troubled"
        " FROM sites s JOIN boxes b ON b.site_id = s.id"
        f" WHERE {SEEN} AND s.latitude IS NOT NULL AND s.longitude IS NOT NULL AND b.token_hash IS NOT NULL"
        " GROUP BY round(s.latitude / $2), round(s.longitude / $2) ORDER BY offline, troubled, name",
        user_id, cell_degrees,
    )  # fmt: skip
    return [SiteCount(**row) for row in rows]
