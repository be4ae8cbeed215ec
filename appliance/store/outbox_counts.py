"""D6 in numbers: what became of all that was ever owed, per target, lane and kind.

Counters, kept in the transaction of each change: five million rows are not counted to show a figure.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Literal

import msgspec

Column = Literal["owed", "acknowledged", "tombstoned", "waiting", "in_flight", "parked", "bytes"]
COLUMNS: tuple[Column, ...] = (
    "owed", "acknowledged", "tombstoned", "waiting", "in_flight", "parked", "bytes",
)  # fmt: skip
_ADD = (
    f"INSERT INTO outbox_counts (target_id, lane, kind, {', '.join(COLUMNS)}) VALUES (?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT (target_id, lane, kind) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in COLUMNS)
)
_PLACE = {name: place for place, name in enumerate(COLUMNS)}


class TargetFigures(msgspec.Struct, frozen=True):
    """Rows, by what became of them (D6). ``oldest_ns``: when the oldest undelivered one was made.
    ``tombstoned`` counts tombstones that were delivered; others wait like any row. ``bytes``: of what
    is undelivered, footage that is pinned for it included (estimated)."""

    owed: int = 0
    acknowledged: int = 0
    tombstoned: int = 0
    waiting: int = 0
    in_flight: int = 0
    parked: int = 0
    oldest_ns: int | None = None
    bytes: int = 0

    def __add__(self, other: "TargetFigures") -> "TargetFigures":
        oldest = [time_ns for time_ns in (self.oldest_ns, other.oldest_ns) if time_ns is not None]
        sums = {name: getattr(self, name) + getattr(other, name) for name in COLUMNS}
        return TargetFigures(oldest_ns=min(oldest, default=None), **sums)


class LaneFigures(msgspec.Struct, frozen=True):
    lane: int
    kind: str
    figures: TargetFigures


class Tally:
    """Changes of one transaction, written together."""

    def __init__(self, target_id: str) -> None:
        self._target_id = target_id
        self._changes: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * len(COLUMNS))

    def add(self, lane: int, kind: str, column: Column, by: int = 1) -> None:
        self._changes[lane, kind][_PLACE[column]] += by

    def move(self, lane: int, kind: str, source: Column, to: Column, by: int = 1) -> None:
        change = self._changes[lane, kind]
        change[_PLACE[source]] -= by
        change[_PLACE[to]] += by

    def move_all(self, pairs: Iterable[tuple[int, str]], source: Column, to: Column) -> None:
        """``pairs``: lane and kind of each row."""
        for (lane, kind), count in Counter(pairs).items():
            self.move(lane, kind, source, to, count)

    def write(self, conn: sqlite3.Connection) -> None:
        if self._changes:
            conn.executemany(
                _ADD, [(self._target_id, lane, kind, *by) for (lane, kind), by in self._changes.items()]
            )


def all_become_waiting(
    conn: sqlite3.Connection, target_id: str, column: Literal["in_flight", "parked"]
) -> int:
    """What is counted in ``column`` waits from now on; how many."""
    count = conn.execute(
        f"SELECT coalesce(sum({column}), 0) FROM outbox_counts WHERE target_id = ?", (target_id,)
    ).fetchone()[0]
    if count:
        conn.execute(
            f"UPDATE outbox_counts SET waiting = waiting + {column}, {column} = 0 WHERE target_id = ?",
            (target_id,),
        )
    return int(count)


def lanes(conn: sqlite3.Connection, target_id: str) -> list[LaneFigures]:
    """Every lane and kind of the target that ever had a row."""
    rows = conn.execute(
        "SELECT * FROM outbox_counts WHERE target_id = ? ORDER BY lane, kind", (target_id,)
    ).fetchall()
    found = []
    for row in rows:
        oldest_ns = None
        if row["waiting"] or row["in_flight"] or row["parked"]:
            oldest_ns = _oldest_ns(conn, target_id, row["lane"], row["kind"])
        sums = {name: row[name] for name in COLUMNS}
        found.append(LaneFigures(row["lane"], row["kind"], TargetFigures(oldest_ns=oldest_ns, **sums)))
    return found


def figures(conn: sqlite3.Connection, target_id: str, kind: str | None = None) -> TargetFigures:
    """What became of all that was ever owed to the target, of one ``kind`` or of all."""
    total = TargetFigures()
    for row in lanes(conn, target_id):
        if kind in (None, row.kind):
            total += row.figures
    return total


def by_kind(conn: sqlite3.Connection, target_id: str) -> dict[str, TargetFigures]:
    found: dict[str, TargetFigures] = {}
    for row in lanes(conn, target_id):
        found[row.kind] = found.get(row.kind, TargetFigures()) + row.figures
    return found


def by_lane(conn: sqlite3.Connection, target_id: str) -> dict[int, TargetFigures]:
    found: dict[int, TargetFigures] = {}
    for row in lanes(conn, target_id):
        found[row.lane] = found.get(row.lane, TargetFigures()) + row.figures
    return found


def depth(conn: sqlite3.Connection) -> int:
    """Rows in the outbox, all targets together."""
    return int(
        conn.execute("SELECT coalesce(sum(waiting + in_flight + parked), 0) FROM outbox_counts").fetchone()[0]
    )


def waiting_bytes(conn: sqlite3.Connection, target_id: str) -> int:
    """What the target's quota is of: of all that is undelivered."""
    row = conn.execute("SELECT coalesce(sum(bytes), 0) FROM outbox_counts WHERE target_id = ?", (target_id,))
    return int(row.fetchone()[0])


def _oldest_ns(conn: sqlite3.Connection, target_id: str, lane: int, kind: str) -> int | None:
    found = [
        conn.execute(
            "SELECT min(created_ns) FROM outbox INDEXED BY outbox_age"
            " WHERE target_id = ? AND lane = ? AND kind = ? AND is_tombstone = ?",
            (target_id, lane, kind, is_tombstone),
        ).fetchone()[0]
        for is_tombstone in (0, 1)
    ]
    return min((time_ns for time_ns in found if time_ns is not None), default=None)
