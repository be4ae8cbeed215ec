"""The acknowledgement journal: what a target said it has, as long as it can be owed again.

A hub may be restored from yesterday's backup. Day by day and kind by kind both ends compare a count and a
sum of digests (``delivered_days``); where they differ, the ids of that day are asked for, and what the hub
lost waits again (``owe_again``). Rows go by age and by bytes; the sums stay as long as any row of the day.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from appliance.base.clock import rfc3339
from appliance.store import owed_files
from appliance.store.outbox_counts import Tally

TOMBSTONE = "tombstone"
DIGEST_BYTES = 5  # 40 bits, as sync.protocol.counts says


class Bucket(msgspec.Struct, frozen=True):
    """``day``: YYYY-MM-DD, UTC. ``digest``: the sum of the ids' digests."""

    kind: str
    day: str
    count: int
    digest: int


def digest(row_id: str) -> int:
    """The same as ``sync.protocol.counts.digest``, which is above us."""
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:DIGEST_BYTES])


def remember(conn: sqlite3.Connection, target_id: str, ids_json: str, now_ns: int) -> None:
    """Rows in flight that are about to leave. Called by ``outbox.acknowledge``."""
    rows = conn.execute(
        "SELECT id, kind, lane, is_file, is_tombstone, created_ns, size_bytes, body"
        " FROM outbox INDEXED BY outbox_id"
        " WHERE id IN (SELECT value FROM json_each(?)) AND target_id = ?"
        " AND +position IN (SELECT position FROM outbox_flight)",
        (ids_json, target_id),
    ).fetchall()
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    kept = []
    for id_, was_kind, lane, is_file, is_tombstone, created_ns, size_bytes, body in rows:
        kind, day = TOMBSTONE if is_tombstone else was_kind, rfc3339(created_ns)[:10]
        kept.append(
            (target_id, id_, kind, day, was_kind, lane, is_file, created_ns, now_ns, size_bytes, body)
        )
        _add(sums[kind, day], (1, digest(id_), 1, len(body)))
    conn.executemany(
        "INSERT OR IGNORE INTO delivered (target_id, id, kind, day, was_kind, lane, is_file, created_ns,"
        " acknowledged_ns, size_bytes, body) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        kept,
    )
    _write(conn, target_id, sums)


def buckets(conn: sqlite3.Connection, target_id: str) -> list[Bucket]:
    """By kind and day, all that the target acknowledged and the box can still tell of."""
    rows = conn.execute(
        "SELECT kind, day, count, digest FROM delivered_days WHERE target_id = ? AND count > 0"
        " ORDER BY kind, day",
        (target_id,),
    )
    return [Bucket(row["kind"], row["day"], row["count"], row["digest"]) for row in rows]


def ids(
    conn: sqlite3.Connection, target_id: str, kind: str, day: str, after: str = "", limit: int = 1_000
) -> list[str]:
    """Of one bucket, those that can be owed again, in the order of their ids, from ``after`` on."""
    rows = conn.execute(
        "SELECT id FROM delivered INDEXED BY delivered_day"
        " WHERE target_id = ? AND kind = ? AND day = ? AND id > ? ORDER BY id LIMIT ?",
        (target_id, kind, day, after, limit),
    )
    return [row["id"] for row in rows]


def owe_again(conn: sqlite3.Connection, target_id: str, row_ids: Sequence[str], now_ns: int) -> int:
    """The target lost these: they wait again, under their old ids (D2); how many. Ids that are not in the
    journal are ignored. Footage is pinned again: where the ring has lost it, a tombstone will say so."""
    rows = conn.execute(
        "DELETE FROM delivered WHERE id IN (SELECT value FROM json_each(?)) AND target_id = ?"
        " RETURNING id, kind, day, was_kind, lane, is_file, created_ns, size_bytes, body",
        (msgspec.json.encode(list(row_ids)).decode(), target_id),
    ).fetchall()
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    tally = Tally(target_id)
    for id_, kind, day, was_kind, lane, is_file, created_ns, size_bytes, body in rows:
        is_tombstone = kind == TOMBSTONE
        conn.execute(
            "INSERT INTO outbox (id, target_id, kind, lane, is_file, is_tombstone, state, created_ns,"
            " size_bytes, body) VALUES (?,?,?,?,?,?,0,?,?,?)",
            (id_, target_id, was_kind, lane, is_file, is_tombstone, created_ns, size_bytes, body),
        )
        tally.move(lane, was_kind, "tombstoned" if is_tombstone else "acknowledged", "waiting")
        tally.add(lane, was_kind, "bytes", size_bytes)
        _add(sums[kind, day], (-1, -digest(id_), -1, -len(body)))
        if is_file:
            owed_files.pin(conn, id_, was_kind, bytes(body), now_ns)
    tally.write(conn)
    _write(conn, target_id, sums)
    return len(rows)


def confirmed(conn: sqlite3.Connection, target_id: str, row_ids: Sequence[str]) -> int:
    """Where they are now, nobody loses them: forgotten, as ``prune`` does, without waiting for their age;
    how many."""
    rows = conn.execute(
        "DELETE FROM delivered WHERE id IN (SELECT value FROM json_each(?)) AND target_id = ?"
        " RETURNING kind, day, length(body)",
        (msgspec.json.encode(list(row_ids)).decode(), target_id),
    ).fetchall()
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for kind, day, size_bytes in rows:
        _add(sums[kind, day], (0, 0, -1, -size_bytes))
    _write(conn, target_id, sums)
    conn.execute("DELETE FROM delivered_days WHERE target_id = ? AND kept = 0", (target_id,))
    return len(rows)


def since(conn: sqlite3.Connection, target_id: str, before_ns: int, limit: int = 1_000) -> list[str]:
    """Ids that were acknowledged before ``before_ns`` and are still in the journal, oldest first."""
    rows = conn.execute(
        "SELECT id, acknowledged_ns FROM delivered WHERE target_id = ? ORDER BY position LIMIT ?",
        (target_id, limit),
    )
    return [row["id"] for row in rows if row["acknowledged_ns"] < before_ns]


def acknowledged(conn: sqlite3.Connection, target_id: str) -> int:
    """How many rows the target should hold: all that it ever acknowledged, tombstones too."""
    row = conn.execute(
        "SELECT coalesce(sum(acknowledged + tombstoned), 0) FROM outbox_counts WHERE target_id = ?",
        (target_id,),
    ).fetchone()
    return int(row[0])


def prune(
    conn: sqlite3.Connection, target_id: str, before_ns: int, most_bytes: int, limit: int = 1_000
) -> int:
    """Forget rows that were acknowledged before ``before_ns``, and the oldest of what is over
    ``most_bytes``; how many, at most ``limit``: call again. A day is forgotten with its last row."""
    over = _kept_bytes(conn, target_id) - most_bytes
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    gone = []
    rows = conn.execute(
        "SELECT position, kind, day, acknowledged_ns, length(body) FROM delivered WHERE target_id = ?"
        " ORDER BY position LIMIT ?",
        (target_id, limit),
    )
    for position, kind, day, acknowledged_ns, size_bytes in rows:
        if acknowledged_ns >= before_ns and over <= 0:
            break
        over -= size_bytes
        gone.append((position,))
        _add(sums[kind, day], (0, 0, -1, -size_bytes))
    conn.executemany("DELETE FROM delivered WHERE position = ?", gone)
    _write(conn, target_id, sums)
    conn.execute("DELETE FROM delivered_days WHERE target_id = ? AND kept = 0", (target_id,))
    return len(gone)


def forget(conn: sqlite3.Connection, target_id: str) -> None:
    """The target is deleted."""
    conn.execute("DELETE FROM delivered WHERE target_id = ?", (target_id,))
    conn.execute("DELETE FROM delivered_days WHERE target_id = ?", (target_id,))


def _kept_bytes(conn: sqlite3.Connection, target_id: str) -> int:
    row = conn.execute(
        "SELECT coalesce(sum(kept_bytes), 0) FROM delivered_days WHERE target_id = ?", (target_id,)
    ).fetchone()
    return int(row[0])


def _add(sums: list[int], by: Iterable[int]) -> None:
    for place, change in enumerate(by):
        sums[place] += change


def _write(conn: sqlite3.Connection, target_id: str, sums: "dict[tuple[str, str], list[int]]") -> None:
    conn.executemany(
        "INSERT INTO delivered_days (target_id, kind, day, count, digest, kept, kept_bytes)"
        " VALUES (?,?,?,?,?,?,?) ON CONFLICT (target_id, kind, day) DO UPDATE SET"
        " count = count + excluded.count, digest = digest + excluded.digest,"
        " kept = kept + excluded.kept, kept_bytes = kept_bytes + excluded.kept_bytes",
        [(target_id, kind, day, *by) for (kind, day), by in sums.items()],
    )
