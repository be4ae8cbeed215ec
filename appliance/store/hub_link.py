"""The hub that this box belongs to, if any: who may command it, and what.

One row while there is a hub, written in the transaction of the enrolment. The token lies with the target,
the tunnel in ``system.tunnel.kept``.
"""

import sqlite3
from collections.abc import Iterable

import msgspec

from appliance.store import settings

ALLOWED = "commands_allowed"  # among the settings: it outlives the hub, as the admin's own decision
AT_FIRST = ("acknowledge_alert", "fetch_clip", "patch_settings", "ping")


class HubLink(msgspec.Struct, frozen=True):
    """``box_id``: what the hub calls this box. ``command_key``: public, 32 bytes; orders signed with it
    are obeyed."""

    target_id: str
    box_id: str
    command_key: bytes
    enrolled_ns: int


def get(conn: sqlite3.Connection) -> HubLink | None:
    row = conn.execute("SELECT target_id, box_id, command_key, enrolled_ns FROM hub_link").fetchone()
    return None if row is None else HubLink(**dict(row))


def put(conn: sqlite3.Connection, link: HubLink) -> None:
    """Insert or replace."""
    conn.execute(
        "INSERT OR REPLACE INTO hub_link (one, target_id, box_id, command_key, enrolled_ns)"
        " VALUES (1,?,?,?,?)",
        (link.target_id, link.box_id, link.command_key, link.enrolled_ns),
    )


def delete(conn: sqlite3.Connection) -> bool:
    """False where there was none."""
    return conn.execute("DELETE FROM hub_link").rowcount == 1


def allowed(conn: sqlite3.Connection) -> frozenset[str]:
    """Kinds of commands that the box's admin lets the hub give."""
    found = settings.get_value(conn, ALLOWED)
    return frozenset(AT_FIRST if found is None else found)


def allow(conn: sqlite3.Connection, kinds: Iterable[str]) -> None:
    settings.set_value(conn, ALLOWED, sorted(set(kinds)))
