"""Targets: where the outbox goes. A target's token lies sealed beside it, never in ``Target``."""

import sqlite3
from typing import Literal

import msgspec

from appliance.store import outbox
from appliance.store.cameras import Keep


class Target(msgspec.Struct, frozen=True):
    """``ca`` is PEM text of the only authorities this target is believed by; None: the system's."""

    id: str
    url: str
    kind: Literal["https", "hub"] = "https"
    ca: str | None = None
    enabled: bool = True


def list_targets(conn: sqlite3.Connection) -> list[Target]:
    return [_target(row) for row in conn.execute("SELECT body FROM targets ORDER BY id")]


def enabled_ids(conn: sqlite3.Connection) -> list[str]:
    """Whom a new outbox row is owed to."""
    return [row["id"] for row in conn.execute("SELECT id FROM targets WHERE enabled ORDER BY id")]


def get(conn: sqlite3.Connection, target_id: str) -> Target | None:
    row = conn.execute("SELECT body FROM targets WHERE id = ?", (target_id,)).fetchone()
    return None if row is None else _target(row)


def secret(conn: sqlite3.Connection, target_id: str) -> bytes | None:
    """The token, sealed under the name ``target/<id>``; None: the target has none."""
    row = conn.execute("SELECT secret FROM targets WHERE id = ?", (target_id,)).fetchone()
    return None if row is None else row["secret"]


def put(conn: sqlite3.Connection, target: Target, sealed: bytes | Keep | None) -> bool:
    """Insert or replace; True where it is new. ``KEEP`` leaves the token as it is.

    What the target refused before waits again: the refusal was most likely what is being mended.
    """
    known = conn.execute("SELECT secret FROM targets WHERE id = ?", (target.id,)).fetchone()
    if isinstance(sealed, Keep):
        sealed = None if known is None else known["secret"]
    conn.execute(
        "INSERT INTO targets (id, kind, enabled, body, secret) VALUES (?,?,?,?,?)"
        " ON CONFLICT (id) DO UPDATE SET kind=excluded.kind, enabled=excluded.enabled,"
        " body=excluded.body, secret=excluded.secret",
        (target.id, target.kind, target.enabled, msgspec.json.encode(target).decode(), sealed),
    )
    outbox.unpark(conn, target.id)
    return known is None


def delete(conn: sqlite3.Connection, target_id: str) -> bool:
    """Delete the target and all that was owed to it; False where there is none."""
    outbox.forget(conn, target_id)
    return conn.execute("DELETE FROM targets WHERE id = ?", (target_id,)).rowcount == 1


def _target(row: sqlite3.Row) -> Target:
    return msgspec.json.decode(row["body"], type=Target)
