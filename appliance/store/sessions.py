"""Sessions: cookies, bearer tokens and refresh tokens. Only hashes of the secrets are stored.

Everything that one sign-in led to is a *family*: a refresh token that comes a second time was
stolen at one of the two ends, and takes its whole family with it (RFC 9700, section 4.14.2).
"""

import hashlib
import sqlite3
from typing import Literal

import msgspec

SessionKind = Literal["cookie", "bearer", "refresh"]


class Session(msgspec.Struct, frozen=True):
    """``used_ns``: when a refresh token was rotated away. ``csrf`` is of cookies only."""

    id: str
    user_id: str
    kind: SessionKind
    token_hash: bytes
    family: str
    created_ns: int
    expires_ns: int
    csrf: str | None = None
    used_ns: int | None = None
    address: str | None = None


def token_hash(token: str) -> bytes:
    """SHA-256: enough for secrets of 256 random bits, and quick."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def insert(conn: sqlite3.Connection, session: Session) -> None:
    conn.execute(
        "INSERT INTO sessions (id, user_id, kind, token_hash, csrf, family, created_ns, expires_ns, used_ns,"
        " address) VALUES (:id, :user_id, :kind, :token_hash, :csrf, :family, :created_ns, :expires_ns,"
        " :used_ns, :address)",
        msgspec.structs.asdict(session),
    )


def find(conn: sqlite3.Connection, kind: SessionKind, hashed: bytes) -> Session | None:
    """Expired and used ones included: the caller knows the time."""
    row = conn.execute("SELECT * FROM sessions WHERE token_hash = ? AND kind = ?", (hashed, kind)).fetchone()
    return None if row is None else Session(**dict(row))


def get(conn: sqlite3.Connection, session_id: str) -> Session | None:
    row = conn.execute("SELECT * FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return None if row is None else Session(**dict(row))


def extend(conn: sqlite3.Connection, session_id: str, expires_ns: int) -> None:
    """Cookies slide."""
    conn.execute("UPDATE sessions SET expires_ns = ? WHERE id = ?", (expires_ns, session_id))


def use(conn: sqlite3.Connection, session_id: str, now_ns: int) -> bool:
    """Rotate a refresh token away; False where somebody did before."""
    changed = conn.execute(
        "UPDATE sessions SET used_ns = ? WHERE id = ? AND used_ns IS NULL", (now_ns, session_id)
    )
    return changed.rowcount > 0


def revoke_family(conn: sqlite3.Connection, family: str) -> None:
    conn.execute("DELETE FROM sessions WHERE family = ?", (family,))


def revoke_user(conn: sqlite3.Connection, user_id: str, *, but_family: str | None = None) -> None:
    """All sign-ins of a person, where wanted except the one that asks."""
    conn.execute(
        "DELETE FROM sessions WHERE user_id = ?1 AND (?2 IS NULL OR family <> ?2)", (user_id, but_family)
    )


def prune(conn: sqlite3.Connection, now_ns: int) -> int:
    """Forget what has expired; used refresh tokens are kept until then, to notice a replay."""
    return conn.execute("DELETE FROM sessions WHERE expires_ns <= ?", (now_ns,)).rowcount


def family_lives(conn: sqlite3.Connection, family: str, now_ns: int) -> bool:
    """False once it was revoked, or all of it has expired."""
    row = conn.execute(
        "SELECT 1 FROM sessions WHERE family = ? AND expires_ns > ? AND used_ns IS NULL LIMIT 1",
        (family, now_ns),
    ).fetchone()
    return row is not None
