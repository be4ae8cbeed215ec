"""The outbox: what is owed to each target (D1-D6).

A row is ``waiting`` until it is taken, ``in_flight`` while it is on its way, and gone once the target
acknowledged its id (D3); what the target refuses is ``parked``. The id is the idempotency key and never
changes (D2). Footage that a row owes is pinned until it leaves (D4). A row whose body was dropped stays as
a tombstone under the same id and takes the same way (D5). ``outbox_counts`` keeps D6 with each change:
owed = acknowledged + tombstoned + waiting + in_flight + parked.

Rows leave by lane, the most urgent first, and inside a lane in the order they were made. Rows that owe a
file go one by one, the others in batches; a row that rests until its time is not in the way of the others.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from appliance.store import delivered, owed_files, spent
from appliance.store.outbox_counts import Column, Tally, all_become_waiting
from appliance.store.policy import FILE_KINDS, LANE_OF, LANES, LOWEST

LONGEST_PAUSE_NS = 300_000_000_000
ERROR_LENGTH = 500
LARGEST_BATCH_BYTES = 64_000_000
FETCHED = 100  # rows at a time: bodies may be large, and most of them not wanted
MOST_WOKEN = 1_000  # at once; a batch is not longer
WAITING, RESTING, PARKED = range(3)  # RESTING waits, too: for its time

# Small numbers travel as one: of a thousand rows each column costs 0.1 ms, and the writer is held meanwhile.
_COLUMNS: Final = "position, id, kind, body, created_ns, attempts << 5 | lane << 1 | is_tombstone"
_FLYING: Final = "(SELECT position FROM outbox_flight)"
# The + keeps SQLite from trying each flying position with each id: a thousand times a thousand.
_FLOWN: Final = f"id IN (SELECT value FROM json_each(?)) AND target_id = ? AND +position IN {_FLYING}"


class OutboxRow(msgspec.Struct, frozen=True):
    """``body`` is JSON; of a tombstone it says why. ``attempts`` counts earlier deliveries. ``lane``:
    0 most urgent. ``is_file``: the body says which file is owed, and the row goes with it."""

    id: str
    kind: str
    body: bytes
    created_ns: int
    attempts: int
    is_tombstone: bool
    lane: int = 2
    is_file: bool = False


def enqueue(
    conn: sqlite3.Connection,
    target_ids: Iterable[str],
    row_id: str,
    kind: str,
    body: bytes,
    created_ns: int,
    *,
    lane: int | None = None,
    due_ns: int = 0,
    file_bytes: int | None = None,
    pinned_for: str | None = None,
) -> None:
    """Owe one row to each target. Call it in the transaction that causes the row (D1).

    ``lane`` None: as the kind says. Not to be sent before ``due_ns``. Of a row that owes a file, ``body``
    is an ``OwedFile`` that weighs about ``file_bytes`` (None: guessed), and its footage is pinned, for the
    reason ``pinned_for`` (None: the kind).
    """
    lane = LANE_OF.get(kind, LOWEST) if lane is None else lane
    is_file = kind in FILE_KINDS
    if is_file and file_bytes is None:
        file_bytes = owed_files.read(body).guess_bytes
    size_bytes, state = len(body) + (file_bytes or 0), RESTING if due_ns else WAITING
    for target_id in target_ids:
        conn.execute(
            "INSERT INTO outbox (id, target_id, kind, lane, is_file, state, created_ns, next_attempt_ns,"
            " size_bytes, body) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (row_id, target_id, kind, lane, is_file, state, created_ns, due_ns, size_bytes, body),
        )
        tally = Tally(target_id)
        tally.add(lane, kind, "owed")
        tally.add(lane, kind, "waiting")
        tally.add(lane, kind, "bytes", size_bytes)
        tally.write(conn)
        if is_file:
            owed_files.pin(conn, row_id, pinned_for or kind, body, created_ns)


def take(
    conn: sqlite3.Connection,
    target_id: str,
    limit: int,
    now_ns: int,
    *,
    most_lane: int = LANES,
    most_bytes: int | None = None,
    files: bool = False,
) -> list[OutboxRow]:
    """Put at most ``limit`` due rows in flight, the most urgent lane first, and of each the oldest.

    ``files``: those that owe a file; else the others. The first row is taken however large it is, more of
    them up to ``most_bytes`` of bodies and ``most_lane``.
    """
    _wake_due(conn, target_id, files, now_ns)
    cursor = conn.cursor()
    cursor.row_factory = None  # a thousand rows: plain tuples are a third cheaper
    cursor.execute(
        f"SELECT {_COLUMNS} FROM outbox INDEXED BY outbox_next WHERE target_id = ? AND is_file = ?"
        f" AND state = 0 AND lane <= ? AND position NOT IN {_FLYING} ORDER BY lane, position LIMIT ?",
        (target_id, files, most_lane, limit),
    )
    found: list[tuple[int, str, str, bytes, int, int]] = []
    left_bytes = LARGEST_BATCH_BYTES if most_bytes is None else most_bytes
    while left_bytes >= 0 and (some := cursor.fetchmany(FETCHED)):
        found += some
        left_bytes -= sum([len(row[3]) for row in some])
    while left_bytes < 0 and len(found) > 1:
        left_bytes += len(found.pop()[3])
    positions = [row[0] for row in found]
    rows = [
        OutboxRow(id_, kind, body, created_ns, more >> 5, more & 1 == 1, more >> 1 & 15, files)
        for _, id_, kind, body, created_ns, more in found
    ]
    cursor.close()
    if rows:
        conn.execute(
            "INSERT INTO outbox_flight (position, target_id) SELECT value, ? FROM json_each(?)",
            (target_id, _json(positions)),
        )
        tally = Tally(target_id)
        tally.move_all([(row.lane, row.kind) for row in rows], "waiting", "in_flight")
        tally.write(conn)
    return rows


def acknowledge(
    conn: sqlite3.Connection,
    target_id: str,
    row_ids: Iterable[str],
    now_ns: int = 0,
    *,
    journal: bool = False,
) -> int:
    """The target has these: they leave (D3). Ids that are not in flight are ignored; how many left.
    ``journal``: remember them, for a target that may lose them again."""
    ids = _json(row_ids)
    if journal:
        delivered.remember(conn, target_id, ids, now_ns)
    gone = conn.execute(
        f"DELETE FROM outbox INDEXED BY outbox_id WHERE {_FLOWN}"
        " RETURNING position, lane, kind, is_tombstone, size_bytes, is_file, id",
        (ids, target_id),
    ).fetchall()
    _land(conn, [row[0] for row in gone])
    tally = Tally(target_id)
    tally.move_all([(row[1], row[2]) for row in gone if not row[3]], "in_flight", "acknowledged")
    tally.move_all([(row[1], row[2]) for row in gone if row[3]], "in_flight", "tombstoned")
    for row in gone:
        tally.add(row[1], row[2], "bytes", -row[4])
    tally.write(conn)
    owed_files.release(conn, [row[6] for row in gone if row[5]])
    return len(gone)


def acknowledge_waiting(conn: sqlite3.Connection, target_id: str, row_ids: Iterable[str], now_ns: int) -> int:
    """The target has these though we did not send them: somebody carried them there, and it says so (D3).
    Rows on their way are left to the answer that they will get; tombstones say something else, and go."""
    waiting = conn.execute(
        "SELECT position, id, lane, kind FROM outbox INDEXED BY outbox_id"
        " WHERE id IN (SELECT value FROM json_each(?)) AND target_id = ? AND is_tombstone = 0"
        f" AND state <> {PARKED} AND +position NOT IN {_FLYING}",
        (_json(row_ids), target_id),
    ).fetchall()
    conn.execute(
        "INSERT INTO outbox_flight (position, target_id) SELECT value, ? FROM json_each(?)",
        (target_id, _json([row["position"] for row in waiting])),
    )
    tally = Tally(target_id)
    tally.move_all([(row["lane"], row["kind"]) for row in waiting], "waiting", "in_flight")
    tally.write(conn)
    return acknowledge(conn, target_id, [row["id"] for row in waiting], now_ns, journal=True)


def retry(
    conn: sqlite3.Connection, target_id: str, row_ids: Iterable[str], next_attempt_ns: int, error: str
) -> None:
    """In flight -> waiting, not before ``next_attempt_ns``. ``error`` must hold no credential."""
    state = RESTING if next_attempt_ns else WAITING
    _bring_back(conn, target_id, row_ids, state, next_attempt_ns, error)


def park(conn: sqlite3.Connection, target_id: str, row_ids: Iterable[str], error: str) -> None:
    """In flight -> parked: the target refused them; they wait for a person."""
    _bring_back(conn, target_id, row_ids, PARKED, 0, error)


def unpark(conn: sqlite3.Connection, target_id: str) -> int:
    """Parked -> waiting; how many."""
    conn.execute(
        "UPDATE outbox INDEXED BY outbox_parked SET state = 0, next_attempt_ns = 0"
        " WHERE target_id = ? AND state = 2",
        (target_id,),
    )
    return all_become_waiting(conn, target_id, "parked")


def recover(conn: sqlite3.Connection, target_id: str) -> int:
    """In flight -> waiting, at the start: nobody knows whether they arrived, so they go again."""
    conn.execute(
        "UPDATE outbox SET attempts = attempts + 1"
        " WHERE position IN (SELECT position FROM outbox_flight WHERE target_id = ?)",
        (target_id,),
    )
    conn.execute("DELETE FROM outbox_flight WHERE target_id = ?", (target_id,))
    return all_become_waiting(conn, target_id, "in_flight")


def due_lane(
    conn: sqlite3.Connection, target_id: str, now_ns: int, *, most_lane: int = LANES, files: bool = False
) -> int | None:
    """The lane of the row that would be taken next; None: nothing is due."""
    waits = conn.execute(
        "SELECT lane FROM outbox INDEXED BY outbox_next"
        " WHERE target_id = ? AND is_file = ? AND state = 0 AND lane <= ?"
        f" AND position NOT IN {_FLYING} ORDER BY lane LIMIT 1",
        (target_id, files, most_lane),
    ).fetchone()
    rests = conn.execute(
        "SELECT min(lane) FROM outbox INDEXED BY outbox_due WHERE target_id = ? AND is_file = ? AND state = 1"
        " AND lane <= ? AND (next_attempt_ns <= ? OR next_attempt_ns > ?)",
        (target_id, files, most_lane, now_ns, now_ns + LONGEST_PAUSE_NS),
    ).fetchone()
    return min((row[0] for row in (waits, rests) if row is not None and row[0] is not None), default=None)


def has_new(conn: sqlite3.Connection, target_id: str, most_lane: int) -> bool:
    """Whether a row waits, of that lane or a more urgent one, that was never tried."""
    found = conn.execute(
        "SELECT 1 FROM outbox INDEXED BY outbox_next"
        " WHERE target_id = ? AND is_file = 0 AND state = 0 AND lane <= ? AND attempts = 0"
        f" AND position NOT IN {_FLYING} LIMIT 1",
        (target_id, most_lane),
    ).fetchone()
    return found is not None


def next_due_ns(
    conn: sqlite3.Connection, target_id: str, *, most_lane: int = LANES, files: bool = False
) -> int | None:
    """When the first of the rows that rest is due; None: none rests."""
    row = conn.execute(
        "SELECT min(next_attempt_ns) FROM outbox INDEXED BY outbox_due"
        " WHERE target_id = ? AND is_file = ? AND state = 1 AND lane <= ?",
        (target_id, files, most_lane),
    ).fetchone()
    return None if row[0] is None else int(row[0])


def refused(conn: sqlite3.Connection, target_id: str, limit: int = 20) -> list[tuple[str, str, str]]:
    """Rows that are parked, with why: (id, kind, error), for the screen."""
    rows = conn.execute(
        "SELECT id, kind, coalesce(last_error, '') FROM outbox INDEXED BY outbox_parked"
        " WHERE target_id = ? AND state = 2 LIMIT ?",
        (target_id, limit),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def forget(conn: sqlite3.Connection, target_id: str) -> None:
    """The target is deleted: nothing is owed to it any more, and nothing was."""
    files = conn.execute("SELECT id FROM outbox WHERE target_id = ? AND is_file = 1", (target_id,)).fetchall()
    conn.execute("DELETE FROM outbox WHERE target_id = ?", (target_id,))
    conn.execute("DELETE FROM outbox_flight WHERE target_id = ?", (target_id,))
    conn.execute("DELETE FROM outbox_counts WHERE target_id = ?", (target_id,))
    owed_files.release(conn, [row["id"] for row in files])
    delivered.forget(conn, target_id)
    spent.forget(conn, target_id)


def _bring_back(
    conn: sqlite3.Connection,
    target_id: str,
    row_ids: Iterable[str],
    state: int,
    next_attempt_ns: int,
    error: str,
) -> None:
    moved = conn.execute(
        "UPDATE outbox INDEXED BY outbox_id SET state = ?, next_attempt_ns = ?, last_error = ?,"
        f" attempts = attempts + 1 WHERE {_FLOWN} RETURNING position, lane, kind",
        (state, next_attempt_ns, error[:ERROR_LENGTH], _json(row_ids), target_id),
    ).fetchall()
    _land(conn, [row[0] for row in moved])
    tally = Tally(target_id)
    to: Column = "parked" if state == PARKED else "waiting"
    tally.move_all([(row[1], row[2]) for row in moved], "in_flight", to)
    tally.write(conn)


def _land(conn: sqlite3.Connection, positions: list[int]) -> None:
    conn.execute(
        "DELETE FROM outbox_flight WHERE position IN (SELECT value FROM json_each(?))", (_json(positions),)
    )


def _wake_due(conn: sqlite3.Connection, target_id: str, files: bool, now_ns: int) -> None:
    """Rows whose time has come. One that seems due later than the longest pause allows is due now: the
    clock was set back."""
    conn.execute(
        "UPDATE outbox SET state = 0 WHERE position IN (SELECT position FROM outbox INDEXED BY outbox_due"
        " WHERE target_id = ? AND is_file = ? AND state = 1 AND next_attempt_ns <= ? LIMIT ?)",
        (target_id, files, now_ns, MOST_WOKEN),
    )
    conn.execute(
        "UPDATE outbox SET state = 0 WHERE position IN (SELECT position FROM outbox INDEXED BY outbox_due"
        " WHERE target_id = ? AND is_file = ? AND state = 1 AND next_attempt_ns > ? LIMIT ?)",
        (target_id, files, now_ns + LONGEST_PAUSE_NS, MOST_WOKEN),
    )


def _json(values: Iterable[str] | Iterable[int]) -> str:
    return msgspec.json.encode(list(values)).decode()
