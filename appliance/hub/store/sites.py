"""Sites: where boxes are."""

import msgspec

from appliance.hub.store.steps import Steps, every, one, run


class Site(msgspec.Struct, frozen=True):
    """``time_zone``: IANA name. Degrees are None for a site that is not on the map."""

    id: str
    name: str
    time_zone: str = "Etc/UTC"
    latitude: float | None = None
    longitude: float | None = None
    created_ns: int = 0


def seen_by(user_id: str) -> Steps[list[Site]]:
    """Those that a person may see, by name."""
    rows = yield from every(
        "SELECT t.id, t.name, t.time_zone, t.latitude, t.longitude, t.created_ns FROM sites t"
        " WHERE EXISTS (SELECT 1 FROM users u WHERE u.id = $1 AND (u.all_sites = 1 OR EXISTS ("
        "SELECT 1 FROM user_sites s WHERE s.user_id = u.id AND s.site_id = t.id))) ORDER BY t.name, t.id",
        user_id,
    )
    return [Site(**row) for row in rows]


def ids() -> Steps[set[str]]:
    rows = yield from every("SELECT id FROM sites")
    return {row["id"] for row in rows}


def put(site: Site) -> Steps[None]:
    """A new one, or a known one changed."""
    yield from run(
        "INSERT INTO sites (id, name, time_zone, latitude, longitude, created_ns)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
        " time_zone = excluded.time_zone, latitude = excluded.latitude, longitude = excluded.longitude",
        *msgspec.structs.astuple(site),
    )


def delete(site_id: str) -> Steps[bool]:
    """Its boxes belong to no site then, and people who saw it alone see nothing."""
    row = yield from one("DELETE FROM sites WHERE id = $1 RETURNING id", site_id)
    return row is not None
