"""The journal of orders: each is in it once, from when it is taken until it can be no order any more.

``taken``: its effect is under way outside this database; a restart finds it so, and does not begin again.
``pending``: settings that undo themselves unless they are confirmed. The others are final. The row is
written in one transaction with the effect, where that is in this database, and always with the answer in the
outbox (D1): a crash leaves all of it or nothing.
"""

import sqlite3
from typing import Literal, get_args

import msgspec

State = Literal["taken", "pending", "done", "failed", "refused", "confirmed", "undone"]
FINAL: frozenset[str] = frozenset(get_args(State)) - {"taken", "pending"}
LONGEST_MESSAGE = 500  # characters


class CommandRow(msgspec.Struct, frozen=True):
    """``by``: who ordered it, as the hub said. ``body``: JSON, as it came."""

    id: str
    key_id: str
    seq: int
    kind: str
    by: str
    body: str
    state: State
    message: str
    received_ns: int
    expires_ns: int
    answered_ns: int | None = None


_COLUMNS = "id, key_id, seq, kind, by, body, state, message, received_ns, expires_ns, answered_ns"


def get(conn: sqlite3.Connection, command_id: str) -> CommandRow | None:
    row = conn.execute(f"SELECT {_COLUMNS} FROM commands WHERE id = ?", (command_id,)).fetchone()
    return None if row is None else CommandRow(**dict(row))


def insert(conn: sqlite3.Connection, row: CommandRow) -> None:
    """Raises where the id is there already: nothing is applied twice, whatever else goes wrong."""
    conn.execute(
        f"INSERT INTO commands ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", msgspec.structs.astuple(row)
    )


def answer(conn: sqlite3.Connection, command_id: str, state: State, message: str, now_ns: int) -> bool:
    """It has become ``state``; False where it was final already."""
    changed = conn.execute(
        "UPDATE commands SET state = ?, message = ?, answered_ns = ?"
        " WHERE id = ? AND state IN ('taken', 'pending')",
        (state, message[:LONGEST_MESSAGE], now_ns, command_id),
    )
    return changed.rowcount == 1


def newest_seq(conn: sqlite3.Connection, key_id: str, since_ns: int) -> int:
    """The highest of the hub with that key, of what was received since the box enrolled there
    (``since_ns``): a new enrolment counts anew. 0 before its first order."""
    row = conn.execute(
        "SELECT coalesce(max(seq), 0) FROM commands WHERE key_id = ? AND received_ns >= ?", (key_id, since_ns)
    ).fetchone()
    return int(row[0])


def received_since(conn: sqlite3.Connection, since_ns: int) -> int:
    return int(conn.execute("SELECT count(*) FROM commands WHERE received_ns > ?", (since_ns,)).fetchone()[0])


def unfinished(conn: sqlite3.Connection) -> list[CommandRow]:
    """``taken``, oldest first: after a start, those that were cut short."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM commands WHERE state = 'taken' ORDER BY received_ns, id")
    return [CommandRow(**dict(row)) for row in rows]


def newest(conn: sqlite3.Connection, limit: int) -> list[CommandRow]:
    """For the screen."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM commands ORDER BY received_ns DESC, id DESC LIMIT ?", (limit,)
    )
    return [CommandRow(**dict(row)) for row in rows]


def prune(conn: sqlite3.Connection, before_ns: int) -> int:
    """Forget what was received and had expired before that, but never a hub's newest: its ``seq`` is
    still needed. Who would replay a forgotten one meets its expiry. How many."""
    gone = conn.execute(
        "DELETE FROM commands WHERE expires_ns < ? AND received_ns < ? AND state NOT IN ('taken', 'pending')"
        " AND seq < (SELECT max(seq) FROM commands AS other WHERE other.key_id = commands.key_id)",
        (before_ns, before_ns),
    )
    return gone.rowcount


# -- settings on trial: changed by an order, undone by themselves unless confirmed -----------------


class Trial(msgspec.Struct, frozen=True):
    """``changes``: JSON, ``[[path, before, after], ...]``. ``deadline_ns``: of the box clock."""

    command_id: str
    changes: str
    began_ns: int
    deadline_ns: int


def trial(conn: sqlite3.Connection) -> Trial | None:
    """There is at most one."""
    row = conn.execute("SELECT command_id, changes, began_ns, deadline_ns FROM settings_trial").fetchone()
    return None if row is None else Trial(**dict(row))


def begin_trial(conn: sqlite3.Connection, found: Trial) -> None:
    """Raises where one is running."""
    conn.execute(
        "INSERT INTO settings_trial (one, command_id, changes, began_ns, deadline_ns) VALUES (1,?,?,?,?)",
        msgspec.structs.astuple(found),
    )


def end_trial(conn: sqlite3.Connection, command_id: str) -> bool:
    """False where that one is over already."""
    return conn.execute("DELETE FROM settings_trial WHERE command_id = ?", (command_id,)).rowcount == 1
