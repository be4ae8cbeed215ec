"""What is dropped is said to have been dropped: bodies go, tombstones stay and are delivered (D5)."""

import heapq
import itertools
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from appliance.store import fetched, owed_files
from appliance.store.outbox import PARKED
from appliance.store.outbox_counts import Tally, waiting_bytes

_Row = tuple[int, int, str, int, int, int]  # created_ns, position, id, state, size_bytes, is_file
_COLUMNS = "created_ns, position, id, state, size_bytes, is_file"


def entomb(conn: sqlite3.Connection, before_ns: int, reason: str, limit: int = 1_000) -> int:
    """Drop the bodies of rows made before ``before_ns``, of all targets; how many.

    Rows in flight are left alone: their bodies may have arrived already. Parked ones wait again, since
    what is delivered now is another thing.
    """
    done = 0
    for (target_id,) in conn.execute("SELECT DISTINCT target_id FROM outbox_counts").fetchall():
        done += entomb_of(conn, target_id, before_ns, reason, limit - done)
    return done


def entomb_of(
    conn: sqlite3.Connection, target_id: str, before_ns: int, reason: str, limit: int = 1_000
) -> int:
    """The same for one target."""
    done = 0
    for lane, kind in _lanes(conn, target_id):
        rows = _oldest(conn, target_id, lane, kind, before_ns, limit - done)
        done += _bury(conn, target_id, lane, kind, rows, reason)
    return done


def entomb_over(
    conn: sqlite3.Connection, target_id: str, quota_bytes: int, reason: str, limit: int = 1_000
) -> int:
    """Drop the oldest of the lowest lane until the rest fits; how many. At most ``limit``: call again.
    Inside a lane clips that somebody fetched go before those that events owe."""
    over = waiting_bytes(conn, target_id) - quota_bytes
    if over <= 0:
        return 0
    done, fetched_first = 0, fetched.positions(conn, target_id)
    for lane, pairs in itertools.groupby(reversed(_lanes(conn, target_id)), key=lambda pair: pair[0]):
        kinds = [kind for _, kind in pairs]
        streams = [_by_turn(conn, target_id, lane, kind, fetched_first, limit - done) for kind in kinds]
        chosen: dict[str, list[_Row]] = {kind: [] for kind in kinds}
        for _, row, kind in heapq.merge(*streams):
            if over <= 0 or done >= limit:
                break
            chosen[kind].append(row)
            over -= row[4]
            done += 1
        for kind, rows in chosen.items():
            _bury(conn, target_id, lane, kind, rows, reason)
        if over <= 0 or done >= limit:
            break
    return done


def entomb_kind(
    conn: sqlite3.Connection, target_id: str, wanted: str, reason: str, limit: int = 1_000
) -> int:
    """Of a target that takes no rows of that kind any more: what waits or is parked of them; how many."""
    done = 0
    for lane, kind in _lanes(conn, target_id):
        if kind == wanted:
            rows = _oldest(conn, target_id, lane, kind, 1 << 62, limit - done)
            done += _bury(conn, target_id, lane, kind, rows, reason)
    return done


def entomb_flying(conn: sqlite3.Connection, target_id: str, row_ids: Iterable[str], reason: str) -> int:
    """Of rows in flight: what they owe cannot be had any more; how many."""
    done = 0
    for row_id in row_ids:
        found = conn.execute(
            f"SELECT lane, kind, {_COLUMNS} FROM outbox WHERE id = ? AND target_id = ?"
            " AND +position IN (SELECT position FROM outbox_flight)",
            (row_id, target_id),
        ).fetchone()
        if found is None:
            continue
        lane, kind, created_ns, position, id_, state, size_bytes, is_file = found
        conn.execute("DELETE FROM outbox_flight WHERE position = ?", (position,))
        tally = Tally(target_id)
        tally.move(lane, kind, "in_flight", "waiting")
        tally.write(conn)
        rows = [(created_ns, position, id_, state, size_bytes, is_file)]
        done += _bury(conn, target_id, lane, kind, rows, reason)
    return done


def entomb_parked(
    conn: sqlite3.Connection, target_id: str, reason: str, row_id: str | None = None, limit: int = 1_000
) -> int:
    """Of rows that the target refused, and a person gave up: of one, or of all; how many, at most ``limit``:
    call again. What is a tombstone already stays parked: it has nothing left to drop, and leaves when
    the target takes it (D3)."""
    which, values = ("outbox_parked", (target_id,)) if row_id is None else ("outbox_id", (target_id, row_id))
    found = conn.execute(
        f"SELECT lane, kind, {_COLUMNS} FROM outbox INDEXED BY {which} WHERE target_id = ?"
        f" AND state = {PARKED} AND is_tombstone = 0{'' if row_id is None else ' AND id = ?'} LIMIT ?",
        (*values, limit),
    ).fetchall()
    groups: dict[tuple[int, str], list[_Row]] = {}
    for lane, kind, created_ns, position, id_, state, size_bytes, is_file in found:
        row = (created_ns, position, id_, state, size_bytes, is_file)
        groups.setdefault((lane, kind), []).append(row)
    return sum(_bury(conn, target_id, *pair, rows, reason) for pair, rows in groups.items())


def _lanes(conn: sqlite3.Connection, target_id: str) -> list[tuple[int, str]]:
    rows = conn.execute(
        "SELECT lane, kind FROM outbox_counts WHERE target_id = ? AND waiting + parked > 0"
        " ORDER BY lane, kind",
        (target_id,),
    )
    return [(row[0], row[1]) for row in rows]


def _oldest(
    conn: sqlite3.Connection, target_id: str, lane: int, kind: str, before_ns: int, limit: int
) -> list[_Row]:
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM outbox INDEXED BY outbox_age"
        " WHERE target_id = ? AND lane = ? AND kind = ? AND is_tombstone = 0 AND created_ns < ?"
        " AND position NOT IN (SELECT position FROM outbox_flight) ORDER BY created_ns, position LIMIT ?",
        (target_id, lane, kind, before_ns, max(0, limit)),
    )
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows]


def _by_turn(
    conn: sqlite3.Connection, target_id: str, lane: int, kind: str, first: frozenset[int], limit: int
) -> list[tuple[bool, _Row, str]]:
    """Whether it is not of ``first``, the row, its kind: in the order in which they are dropped."""
    rows = _oldest(conn, target_id, lane, kind, 1 << 62, limit)
    known = {row[1] for row in rows}
    rows += [row for row in _of_positions(conn, target_id, lane, kind, first) if row[1] not in known]
    return sorted((row[1] not in first, row, kind) for row in rows)


def _of_positions(
    conn: sqlite3.Connection, target_id: str, lane: int, kind: str, positions: frozenset[int]
) -> list[_Row]:
    found = conn.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE position IN (SELECT value FROM json_each(?)) AND target_id = ?"
        " AND lane = ? AND kind = ? AND position NOT IN (SELECT position FROM outbox_flight)",
        (msgspec.json.encode(sorted(positions)).decode(), target_id, lane, kind),
    )
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in found]


def _bury(
    conn: sqlite3.Connection, target_id: str, lane: int, kind: str, rows: Sequence[_Row], reason: str
) -> int:
    if not rows:
        return 0
    body = msgspec.json.encode({"kind": kind, "reason": reason})
    conn.execute(
        "UPDATE outbox SET is_tombstone = 1, is_file = 0, body = ?, size_bytes = ?, state = 0,"
        " next_attempt_ns = 0 WHERE position IN (SELECT value FROM json_each(?))",
        (body, len(body), msgspec.json.encode([row[1] for row in rows]).decode()),
    )
    tally = Tally(target_id)
    for _, _, _, state, size_bytes, _ in rows:
        tally.add(lane, kind, "bytes", len(body) - size_bytes)
        if state == PARKED:
            tally.move(lane, kind, "parked", "waiting")
    tally.write(conn)
    owed_files.release(conn, [row[2] for row in rows if row[5]])
    return len(rows)
