"""One-time codes of enrolment. Only their hashes are stored."""

import msgspec

from appliance.hub.store.steps import Steps, every, one, run

_COLUMNS = "id, name, site_id, fingerprint, created_by, created_ns, expires_ns, used_ns, used_by, revoked_ns"


class Code(msgspec.Struct, frozen=True):
    """``fingerprint``: SHA-256, hex, of the identity key it is for; empty: any."""

    id: str
    name: str
    site_id: str | None
    fingerprint: str
    created_by: str
    created_ns: int
    expires_ns: int
    used_ns: int | None = None
    used_by: str | None = None
    revoked_ns: int | None = None


def add(code: Code, code_hash: bytes) -> Steps[None]:
    yield from run(
        "INSERT INTO codes (id, code_hash, name, site_id, fingerprint, created_by, created_ns, expires_ns)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        code.id, code_hash, code.name, code.site_id, code.fingerprint, code.created_by, code.created_ns,
        code.expires_ns,
    )  # fmt: skip


def find(code_hash: bytes) -> Steps[Code | None]:
    """Used, revoked and expired ones included: the caller knows the time."""
    row = yield from one(f"SELECT {_COLUMNS} FROM codes WHERE code_hash = $1", code_hash)
    return None if row is None else Code(**row)


def use(code_id: str, box_id: str, now_ns: int) -> Steps[bool]:
    """False where somebody was faster."""
    row = yield from one(
        "UPDATE codes SET used_ns = $3, used_by = $2"
        " WHERE id = $1 AND used_ns IS NULL AND revoked_ns IS NULL AND expires_ns > $3 RETURNING id",
        code_id, box_id, now_ns,
    )  # fmt: skip
    return row is not None


def revoke(code_id: str, now_ns: int) -> Steps[bool]:
    row = yield from one(
        "UPDATE codes SET revoked_ns = $2 WHERE id = $1 AND used_ns IS NULL AND revoked_ns IS NULL"
        " RETURNING id",
        code_id, now_ns,
    )  # fmt: skip
    return row is not None


def newest(limit: int) -> Steps[list[Code]]:
    rows = yield from every(f"SELECT {_COLUMNS} FROM codes ORDER BY created_ns DESC LIMIT $1", limit)
    return [Code(**row) for row in rows]
