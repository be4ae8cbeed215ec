"""The real store: PostgreSQL through asyncpg, any number of instances on one database.

``rows`` is partitioned by month of ``created_ns``; what is dated outside of the months that we keep ready
(a clock ten years off) lies in ``rows_rest``. User and password come from the environment or a password file
(PGUSER, PGPASSWORD, PGPASSFILE), so that no address that is shown holds them.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from appliance.base.errors import ApplianceError, invalid
from appliance.hub.store.migrations import scripts
from appliance.hub.store.months import MIGRATING, drop_months, make_partitions
from appliance.hub.store.retention import Before
from appliance.hub.store.steps import Ask, Found, Insert, Lock, Step, Steps

T = TypeVar("T")

WRITING, READING = 8, 4  # connections of one instance
TIMEOUT_S = 30.0
CLOSE_S = 5.0
TRIES = 8  # of a transaction that met another: deadlocks are solved by the database, by ending one
_EACH = re.compile(r"EACH\((\$\d+)\)")


class PostgresStore:
    """Open it with ``open_store``."""

    kind = "postgres"

    def __init__(self, writing: Any, reading: Any) -> None:
        self._writing, self._reading = writing, reading

    async def write(self, work: Callable[[], Steps[T]]) -> T:
        async def once(conn: Any) -> T:
            async with conn.transaction():
                return await _drive(conn, work())

        return await self._guarded(self._writing, once)

    async def read(self, work: Callable[[], Steps[T]], *, together: bool = False) -> T:
        """On connections that can do nothing else. One statement is one way to the server and back: a
        transaction around it would be two more, and it is asked before every request of a box."""

        async def once(conn: Any) -> T:
            if not together:
                return await _drive(conn, work())
            async with conn.transaction(isolation="repeatable_read", readonly=True):
                return await _drive(conn, work())

        return await self._guarded(self._reading, once)

    async def tend(self, now_ns: int, keep_from_ns: int = 0) -> None:
        await self._guarded(self._writing, lambda conn: make_partitions(conn, now_ns, keep_from_ns))

    async def drop_months(self, before: Before) -> tuple[tuple[str, ...], int]:
        return await self._guarded(self._writing, lambda conn: drop_months(conn, before))

    async def migrate(self, now_ns: int) -> None:
        """To the newest form; of many instances that start at once, one does it."""
        await self._guarded(self._writing, lambda conn: _migrate(conn, now_ns))
        await self.tend(now_ns)

    async def close(self) -> None:
        for pool in (self._reading, self._writing):
            try:
                async with asyncio.timeout(CLOSE_S):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    async def _guarded(self, pool: Any, work: Callable[[Any], Awaitable[T]]) -> T:
        """Run it on a connection, again where it lost a race; foreign errors in our words."""
        import asyncpg

        for left in reversed(range(TRIES)):
            try:
                async with pool.acquire(timeout=TIMEOUT_S) as conn:
                    return await work(conn)
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
                if not left:
                    raise _foreign(error) from error
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                raise _foreign(error) from error
        raise AssertionError("unreachable")


async def open_store(url: str, now_ns: int) -> PostgresStore:
    """Raises ``invalid`` for an address with a password in it, ``unavailable`` where nobody answers."""
    import asyncpg

    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise invalid("this is no address of PostgreSQL", "write postgresql://HOST/NAME", field="database")
    if parts.password is not None or "password=" in parts.query:
        hint = "leave it out and set PGPASSWORD or PGPASSFILE"
        raise invalid("an address with a password in it would be shown", hint, field="database")
    try:
        # what is acknowledged is on the database's disk (its documentation, section 30.4)
        writing = await _pool(url, WRITING, {"synchronous_commit": "on"})
        reading = await _pool(url, READING, {"default_transaction_read_only": "on"})
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise _foreign(error) from error
    store = PostgresStore(writing, reading)
    await store.migrate(now_ns)
    return store


def _in_one_line(record: logging.LogRecord) -> bool:
    """What the pool says of a database that is away: for an operator, not for its authors."""
    if record.exc_info and (error := record.exc_info[1]) is not None:
        record.msg, record.args = f"the database is away, and tried again: {_foreign(error)}", ()
        record.exc_info = None
    return True


async def _pool(url: str, size: int, settings: dict[str, str]) -> Any:
    import asyncpg

    logging.getLogger("asyncpg.pool").addFilter(_in_one_line)
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=TIMEOUT_S,
        command_timeout=TIMEOUT_S,
        reset=_nothing_to_reset,
        server_settings={"application_name": "aries-hub", **settings},
    )


async def _nothing_to_reset(conn: Any) -> None:
    """Between two uses: all that we set ends with its transaction, and asking costs a way."""


async def _migrate(conn: Any, now_ns: int) -> None:
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
        await conn.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, applied_ns BIGINT NOT NULL)"
        )
        done = {row["number"] for row in await conn.fetch("SELECT number FROM migrations")}
        for number, script in scripts("postgres"):
            if number not in done:
                await conn.execute(script)
                await conn.execute("INSERT INTO migrations VALUES ($1, $2)", number, now_ns)


async def _drive(conn: Any, steps: Steps[T]) -> T:
    try:
        step = next(steps)
        while True:
            step = steps.send(await _answer(conn, step))
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _answer(conn: Any, step: Step) -> Sequence[Found]:
    if isinstance(step, Ask):
        rows = await conn.fetch(_translated(step.sql), *step.args)
        return [dict(row) for row in rows]
    if isinstance(step, Insert):
        columns = zip(*step.values, strict=True)
        statement = _insert(step.table, tuple(step.columns.items()), step.returning)
        return list(await conn.fetch(statement, *(list(column) for column in columns)))
    if isinstance(step, Lock):
        await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", step.name)
    return ()


@lru_cache(maxsize=512)
def _translated(sql: str) -> str:
    return _EACH.sub(r"(SELECT jsonb_array_elements_text(CAST(\1 AS jsonb)))", sql)


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[tuple[str, str], ...], returning: str) -> str:
    names = ", ".join(name for name, _ in columns)
    arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(columns, 1))
    back = f" RETURNING {returning}" if returning else ""
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING{back}"


def _foreign(error: BaseException) -> ApplianceError:
    """PostgreSQL's errors in our words, in one place."""
    import asyncpg

    text = f"the hub's database: {type(error).__name__}"
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return ApplianceError("conflict", text, "it exists already, or something it needs does not")
    if isinstance(error, asyncpg.DiskFullError):
        return ApplianceError("exhausted", f"{text}: its disk is full", "free space on its disk")
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return ApplianceError("denied", text, "set PGUSER, and PGPASSWORD or PGPASSFILE")
    if isinstance(error, asyncpg.SyntaxOrAccessError | asyncpg.DataError):
        return ApplianceError("internal", f"{text}: {error}", "look at the log around this time")
    return ApplianceError("unavailable", text, "is PostgreSQL running, and can it be reached from here?")
