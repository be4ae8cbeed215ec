"""What was refused, and why: what a person has to look at before it is sent again."""

import sqlite3

import msgspec

MOST_ROWS = 1_000  # that are looked at: a few reasons stand behind a million rows


class Reason(msgspec.Struct, frozen=True):
    """``count``: among the rows that were looked at."""

    reason: str
    count: int


def reasons(conn: sqlite3.Connection, target_id: str, limit: int = 5) -> list[Reason]:
    """Why rows of the target are parked, the most frequent reason first."""
    rows = conn.execute(
        "SELECT reason, count(*) AS rows FROM (SELECT coalesce(last_error, '') AS reason FROM outbox"
        " WHERE target_id = ? AND state = 'parked' LIMIT ?)"
        " GROUP BY reason ORDER BY rows DESC, reason LIMIT ?",
        (target_id, MOST_ROWS, limit),
    )
    return [Reason(row["reason"], row["rows"]) for row in rows]
