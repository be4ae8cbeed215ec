"""Targets: where the outbox goes. A target's token lies sealed beside it, never in ``Target``."""

import sqlite3
from typing import Literal

import msgspec

from appliance.base.model import Severity
from appliance.store import outbox
from appliance.store.cameras import Keep
from appliance.store.policy import CARRY_STILLS, FILE_KINDS, TAKE_FILES, Policy

Kind = Literal["https", "hub", "s3", "directory", "mqtt", "redis", "kafka", "sqs", "pulsar", "zmq"]


class Target(msgspec.Struct, frozen=True):
    """``ca`` is PEM text of the only authorities this target is believed by; None: the system's.
    ``options``: what its kind knows beside its address, such as a topic or a bucket. ``policy``: what it
    gets, in which order and for how much."""

    id: str
    url: str
    kind: Kind = "https"
    ca: str | None = None
    enabled: bool = True
    options: dict[str, str] = {}
    policy: Policy = Policy()

    def takes(self, kind: str) -> bool:
        """Whether a row of this kind can go there at all, whatever the policy says. Brokers take no files,
        but for stills where their ``options`` put pictures inside messages."""
        if kind not in FILE_KINDS or self.kind in TAKE_FILES:
            return True
        return kind == "still" and self.kind in CARRY_STILLS and self.options.get("stills") == "inline"

    def lane_of(self, kind: str, severity: Severity = "info", *, alarms: bool = False) -> int | None:
        """Where a row goes; None: this target does not get it."""
        if not self.takes(kind):
            return None
        return self.policy.lane_of(kind, severity, alarms=alarms)


def list_targets(conn: sqlite3.Connection) -> list[Target]:
    return [_target(row) for row in conn.execute("SELECT body FROM targets ORDER BY id")]


def enabled(conn: sqlite3.Connection) -> list[Target]:
    """Whom a new outbox row is owed to, as far as their policies want it."""
    return [_target(row) for row in conn.execute("SELECT body FROM targets WHERE enabled ORDER BY id")]


def enabled_ids(conn: sqlite3.Connection) -> list[str]:
    """The same, of rows that no policy speaks about."""
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
