"""The embedded store: one SQLite file, one writer thread (``appliance.store.database``)."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from appliance.hub.store.migrations import SCHEMAS, scripts
from appliance.hub.store.retention import Before
from appliance.hub.store.steps import Ask, Found, Insert, Step, Steps
from appliance.store.database import Database, statements

T = TypeVar("T")

FILE_NAME = "hub.db"
TOGETHER = 64  # boxes that wait for one sync of the disk
_PARAMETER = re.compile(r"\$(\d+)")
_EACH = re.compile(r"EACH\((\$\d+)\)")


class SqliteStore:
    """Open it with ``open_store``."""

    kind = "sqlite"

    def __init__(self, db: Database) -> None:
        self._db = db

    async def write(self, work: Callable[[], Steps[T]]) -> T:
        return await self._db.write(lambda conn: _drive(conn, work()))

    async def read(self, work: Callable[[], Steps[T]], *, together: bool = False) -> T:
        """Always on one state."""
        return await self._db.read(lambda conn: _drive(conn, work()))

    async def tend(self, now_ns: int, keep_from_ns: int = 0) -> None:
        """Nothing: SQLite tends itself."""

    async def drop_months(self, before: Before) -> tuple[tuple[str, ...], int]:
        """None: rows lie in one table, and go in small steps."""
        return (), 0

    async def close(self) -> None:
        self._db.close()


def open_store(folder: Path, now_ns: int) -> SqliteStore:
    """``folder``/hub.db, made or brought to the newest form. Raises ``data_loss``, ``exhausted``."""
    db = Database.open(
        folder / FILE_NAME, "migrations", synchronous="FULL", together=TOGETHER, schemas=SCHEMAS
    )
    db.write_now(lambda conn: _migrate(conn, now_ns))
    return SqliteStore(db)


def _migrate(conn: sqlite3.Connection, now_ns: int) -> None:
    done = {int(row[0]) for row in conn.execute("SELECT number FROM migrations")}
    for number, script in scripts("sqlite"):
        if number not in done:
            for statement in statements(script):
                conn.execute(statement)
            conn.execute("INSERT INTO migrations (number, applied_ns) VALUES (?, ?)", (number, now_ns))


def _drive(conn: sqlite3.Connection, steps: Steps[T]) -> T:
    rows: Sequence[Found] = ()
    try:
        step = next(steps)
        while True:
            rows = _answer(conn, step)
            step = steps.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _answer(conn: sqlite3.Connection, step: Step) -> Sequence[Found]:
    if isinstance(step, Ask):
        return [dict(row) for row in conn.execute(_translated(step.sql), step.args).fetchall()]
    if isinstance(step, Insert):
        statement = _insert(step.table, tuple(step.columns), step.returning)
        if not step.returning:
            conn.executemany(statement, step.values)
            return ()
        found = (conn.execute(statement, values).fetchone() for values in step.values)
        return [dict(row) for row in found if row is not None]
    return ()


@lru_cache(maxsize=512)
def _translated(sql: str) -> str:
    return _PARAMETER.sub(r"?\1", _EACH.sub(r"(SELECT value FROM json_each(\1))", sql))


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...], returning: str) -> str:
    marks = ", ".join("?" for _ in columns)
    names = ", ".join(columns)
    back = f" RETURNING {returning}" if returning else ""
    return f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING{back}"
