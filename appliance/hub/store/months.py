"""PostgreSQL's months: ``rows`` is partitioned by ``created_ns``; made ahead, and let go as a whole."""

import re
from datetime import UTC, datetime
from typing import Any

from appliance.base.clock import SECOND_NS
from appliance.hub.store.retention import OPEN_ALERT, Before

MONTHS_BACK, MONTHS_AHEAD = 14, 2
MIGRATING = 4_711_001  # the advisory lock of whoever changes the schema
LOCK_TIMEOUT = "2s"  # nobody waits behind us for who reads a month for long
_NAME = re.compile(r"rows_(\d{4})_(\d{2})")


async def make_partitions(conn: Any, now_ns: int, keep_from_ns: int) -> None:
    """Every month from a year ago to the one after next. Rows of a clock that ran ahead lie in
    ``rows_rest`` until their month is made: they are moved."""
    names = await partitions(conn)
    for name, start_ns, end_ns in months(now_ns):
        if name in names or end_ns <= keep_from_ns:
            continue
        async with conn.transaction():
            await conn.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
            if await conn.fetchval("SELECT to_regclass($1)", name) is not None:
                continue  # another instance was faster
            # The names and the numbers are ours: DDL takes no parameters.
            await conn.execute(f"CREATE TABLE {name} (LIKE rows INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            await conn.execute(
                f"WITH moved AS (DELETE FROM rows_rest"
                f" WHERE created_ns >= {start_ns} AND created_ns < {end_ns} RETURNING *)"
                f" INSERT INTO {name} SELECT * FROM moved"
            )
            await conn.execute(
                f"ALTER TABLE rows ATTACH PARTITION {name} FOR VALUES FROM ({start_ns}) TO ({end_ns})"
            )


async def partitions(conn: Any) -> set[str]:
    found = await conn.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'rows'::regclass"
    )
    return {row["name"] for row in found}


def months(now_ns: int) -> list[tuple[str, int, int]]:
    """(partition's name, its first nanosecond, the first after it) of the months kept ready."""
    now = datetime.fromtimestamp(now_ns // SECOND_NS, UTC)
    this = now.year * 12 + now.month - 1
    found = []
    for number in range(this - MONTHS_BACK, this + MONTHS_AHEAD + 1):
        found.append(
            (f"rows_{number // 12:04d}_{number % 12 + 1:02d}", _first_ns(number), _first_ns(number + 1))
        )
    return found


def _first_ns(month: int) -> int:
    return int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()) * SECOND_NS


async def drop_months(conn: Any, before: Before) -> tuple[tuple[str, ...], int]:
    """What of such a month is to stay (an open alert's event, what a wrong clock dated there) is moved to
    ``rows_rest``."""
    dropped, gone = [], 0
    for name in sorted(await partitions(conn)):
        match = _NAME.fullmatch(name)
        if match is None or _first_ns(int(match[1]) * 12 + int(match[2])) > before.rows_ns:
            continue
        async with conn.transaction():
            await conn.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
            await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            if name not in await partitions(conn):
                continue  # another instance was faster
            await conn.execute(f"ALTER TABLE rows DETACH PARTITION {name}")
            held = await conn.fetchval(f"SELECT count(*) FROM {name}")
            kept = await conn.fetch(
                f"INSERT INTO rows_rest SELECT t.* FROM {name} t"
                f" WHERE t.shown_ns >= $1 OR {OPEN_ALERT.format(event_id='t.id')} RETURNING 1",
                before.rows_ns, before.alerts_ns,
            )  # fmt: skip
            await conn.execute(f"DROP TABLE {name}")
        dropped.append(name)
        gone += held - len(kept)
    return tuple(dropped), gone
