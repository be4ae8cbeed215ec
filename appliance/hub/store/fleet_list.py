"""What pages ask of the whole fleet beside its list: versions, tags, what is held, where sites stand."""

from collections.abc import Sequence

import msgspec

from appliance.hub.store.steps import Steps, every, listed
from appliance.hub.store.users import SEEN

MOST_TAGS = 200


class VersionCount(msgspec.Struct, frozen=True):
    """Boxes of one version; ``online`` of them are there just now."""

    version: str
    boxes: int
    online: int


class SiteCount(msgspec.Struct, frozen=True):
    """A site on the map: degrees, and its boxes. ``offline`` and ``troubled`` (failing or degraded) of
    them."""

    id: str
    name: str
    latitude: float
    longitude: float
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


def on_the_map(user_id: str) -> Steps[list[SiteCount]]:
    """Sites with coordinates."""
    rows = yield from every(
        "SELECT s.id, s.name, s.latitude, s.longitude, count(*) AS boxes,"
        " CAST(sum(CASE WHEN b.presence = 'offline' THEN 1 ELSE 0 END) AS BIGINT) AS offline,"
        " CAST(sum(CASE WHEN b.presence = 'online' AND b.status IN ('failing', 'degraded') THEN 1 ELSE 0 END)"
        " AS BIGINT) AS troubled"
        " FROM sites s JOIN boxes b ON b.site_id = s.id"
        f" WHERE {SEEN} AND s.latitude IS NOT NULL AND s.longitude IS NOT NULL AND b.token_hash IS NOT NULL"
        " GROUP BY s.id, s.name, s.latitude, s.longitude ORDER BY s.name, s.id",
        user_id,
    )
    return [SiteCount(**row) for row in rows]
