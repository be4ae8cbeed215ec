"""Boxes: who they are, how they prove it, when they were heard last."""

import msgspec

from appliance.hub.store.steps import Found, Steps, every, lock, one, run

SEEN_EVERY_NS = 10_000_000_000  # a write per request would be one too many


class BoxIdentity(msgspec.Struct, frozen=True):
    """What a request is checked against. ``token_hash`` None: revoked. ``directory``: digest of the one that
    is held."""

    id: str
    token_hash: bytes | None
    identity_key: str
    tunnel_address: str | None
    clock_offset_ns: int
    seen_ns: int | None
    directory: str


def identity(box_id: str) -> Steps[BoxIdentity | None]:
    row = yield from one(
        "SELECT id, token_hash, identity_key, tunnel_address, clock_offset_ns, seen_ns, directory"
        " FROM boxes WHERE id = $1",
        box_id,
    )
    return None if row is None else BoxIdentity(**row)


def seen(box_id: str, now_ns: int) -> Steps[None]:
    yield from run("UPDATE boxes SET seen_ns = $2 WHERE id = $1", box_id, now_ns)


def enrol(
    box_id: str,
    name: str,
    site_id: str | None,
    version: str,
    token_hash: bytes,
    identity_key: str,
    tunnel_key: str,
    now_ns: int,
) -> Steps[bool]:
    """A new box, or a known one again: its name and site stay, unless the code had a site. False, and
    nothing is written: it is known with another ``identity_key``."""
    row = yield from one(
        "INSERT INTO boxes (id, name, site_id, tags, enrolled_ns, token_hash, identity_key, tunnel_key,"
        " version, clock_offset_ns, parked, waiting, alerts_open, alerts_critical, status, presence,"
        " presence_ns, first_enrolled_ns)"
        " VALUES ($1, $2, $3, '[]', $4, $5, $6, $7, $8, 0, 0, 0, 0, 0, '', 'never', $4, $4)"
        " ON CONFLICT (id) DO UPDATE SET enrolled_ns = excluded.enrolled_ns,"
        " token_hash = excluded.token_hash, tunnel_key = excluded.tunnel_key, version = excluded.version,"
        " seen_ns = NULL, tunnel_key_next = '', tunnel_key_used = 0,"
        " site_id = coalesce(excluded.site_id, boxes.site_id)"
        " WHERE boxes.identity_key = excluded.identity_key RETURNING id",
        box_id, name, site_id, now_ns, token_hash, identity_key, tunnel_key, version,
    )  # fmt: skip
    return row is not None


def allot(box_id: str, first: int, last: int) -> Steps[int | None]:
    """Which host of the tunnel's network the box is, now and for ever: the one it has, or the lowest free
    one in [first, last]. None: all are taken."""
    yield from lock("tunnel numbers")
    row = yield from one("SELECT tunnel_number FROM boxes WHERE id = $1", box_id)
    if row is not None and row["tunnel_number"] is not None:
        return int(row["tunnel_number"])
    row = yield from one(
        "SELECT min(candidate) AS free FROM (SELECT CAST($1 AS BIGINT) AS candidate"
        " UNION ALL SELECT tunnel_number + 1 FROM boxes WHERE tunnel_number IS NOT NULL) AS candidates"
        " WHERE candidate BETWEEN $1 AND $2"
        " AND NOT EXISTS (SELECT 1 FROM boxes WHERE tunnel_number = candidate)",
        first, last,
    )  # fmt: skip
    return None if row is None or row["free"] is None else int(row["free"])


def has_tunnel_key(box_id: str, key: str) -> Steps[bool]:
    """Another box has it, revoked ones included: two peers of one key would be one. Until the end of the
    transaction nobody else takes it."""
    yield from lock("tunnel numbers")
    row = yield from one(
        "SELECT 1 AS there FROM boxes WHERE (tunnel_key = $1 OR tunnel_key_next = $1) AND id <> $2 LIMIT 1",
        key, box_id,
    )  # fmt: skip
    return row is not None


def forget_tunnel(box_id: str) -> Steps[None]:
    """It enrolled without one. Its number stays its own, should it have one again."""
    yield from run("UPDATE boxes SET tunnel_address = NULL, tunnel_psk = NULL WHERE id = $1", box_id)


def set_tunnel(box_id: str, number: int, address: str, psk: bytes | None) -> Steps[None]:
    yield from run(
        "UPDATE boxes SET tunnel_number = $2, tunnel_address = $3, tunnel_psk = $4 WHERE id = $1",
        box_id, number, address, psk,
    )  # fmt: skip


def peers() -> Steps[list[Found]]:
    """Of the tunnel: id, name, tunnel_key, tunnel_key_next (empty: none), tunnel_key_used, tunnel_address,
    tunnel_psk (sealed); revoked ones left out."""
    rows = yield from every(
        "SELECT id, name, tunnel_key, tunnel_key_next, tunnel_key_used, tunnel_address, tunnel_psk FROM boxes"
        " WHERE tunnel_address IS NOT NULL AND tunnel_key <> '' AND token_hash IS NOT NULL"
        " ORDER BY tunnel_number"
    )
    return list(rows)


def announce(box_id: str, key: str) -> Steps[bool]:
    """A new key of the tunnel, beside the one in use. False: it is in use already, or another box's: two
    peers of one key would be one."""
    rows = yield from every(
        "UPDATE boxes SET tunnel_key_used = CASE WHEN tunnel_key_next = $2 THEN tunnel_key_used ELSE 0 END,"
        " tunnel_key_next = $2 WHERE id = $1 AND tunnel_key NOT IN ('', $2) AND token_hash IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM boxes o"
        " WHERE o.id <> $1 AND (o.tunnel_key = $2 OR o.tunnel_key_next = $2)) RETURNING id",
        box_id, key,
    )  # fmt: skip
    return bool(rows)


def uses_next(box_id: str, key: str) -> Steps[None]:
    """The box said that it changes over to ``key``."""
    yield from run("UPDATE boxes SET tunnel_key_used = 1 WHERE id = $1 AND tunnel_key_next = $2", box_id, key)


def settle_next(box_id: str, key: str) -> Steps[None]:
    """``key`` has shaken hands: it is the one, and the old one goes."""
    yield from run(
        "UPDATE boxes SET tunnel_key = tunnel_key_next, tunnel_key_next = '', tunnel_key_used = 0"
        " WHERE id = $1 AND tunnel_key_next = $2",
        box_id, key,
    )  # fmt: skip


def change(box_id: str, name: str, site_id: str | None, tags: str) -> Steps[bool]:
    """``tags``: a JSON list. False where there is no such box."""
    row = yield from one(
        "UPDATE boxes SET name = $2, site_id = $3, tags = $4 WHERE id = $1 RETURNING id",
        box_id, name, site_id, tags,
    )  # fmt: skip
    return row is not None


def revoke(box_id: str) -> Steps[bool]:
    """Its token counts no more, until it enrols again. What it sent stays."""
    row = yield from one("UPDATE boxes SET token_hash = NULL WHERE id = $1 RETURNING id", box_id)
    return row is not None
