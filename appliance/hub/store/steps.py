"""Statements as data: what a noun's function yields, and gets the rows of.

    def name_of(box_id: str) -> Steps[str | None]:
        row = yield from one("SELECT name FROM boxes WHERE id = $1", box_id)
        return None if row is None else row["name"]

So the same lines run on SQLite's writer thread and on an asyncpg connection, and neither is awaited inside
the decision. Parameters are ``$1, $2 ...``; ``EACH($1)`` stands for the texts of a JSON list, after ``IN``.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

Value = str | int | float | bytes | None
Found = Mapping[str, Any]


class Ask(msgspec.Struct, frozen=True):
    """One statement. ``args`` are bound, never pasted."""

    sql: str
    args: tuple[Value, ...] = ()


class Insert(msgspec.Struct, frozen=True):
    """Many rows at once, those that are there already left alone. Answered with ``returning`` (a column
    that tells them apart) of the new ones; with nothing where that is empty, which is quicker. ``columns``:
    name -> ``text`` | ``bigint``."""

    table: str
    columns: dict[str, str]
    values: Sequence[tuple[Value, ...]]
    returning: str


class Lock(msgspec.Struct, frozen=True):
    """Until the end of the transaction nobody else holds ``name``, in whichever instance. (SQLite has
    one writer anyway.)"""

    name: str


Step = Ask | Insert | Lock
Steps = Generator[Step, Sequence[Found], T]


def every(sql: str, *args: Value) -> Steps[Sequence[Found]]:
    return (yield Ask(sql, args))


def one(sql: str, *args: Value) -> Steps[Found | None]:
    """The first row, or None."""
    rows = yield Ask(sql, args)
    return rows[0] if rows else None


def run(sql: str, *args: Value) -> Steps[None]:
    yield Ask(sql, args)


def insert(
    table: str, columns: dict[str, str], values: Sequence[tuple[Value, ...]], returning: str = ""
) -> Steps[list[Any]]:
    """``returning`` of the rows that were not there yet; empty where nobody asks."""
    if not values:
        return []
    rows = yield Insert(table, columns, values, returning)
    return [row[returning] for row in rows]


def lock(name: str) -> Steps[None]:
    yield Lock(name)


def listed(ids: Sequence[str]) -> str:
    """For ``EACH``. PostgreSQL's text has no NUL, so nothing that is stored is one of those."""
    return msgspec.json.encode([id_ for id_ in ids if "\x00" not in id_]).decode()
