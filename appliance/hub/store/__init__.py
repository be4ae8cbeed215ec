"""What the hub holds: nouns written once, on SQLite or on PostgreSQL.

Objective: every statement stands once, in the words both databases have; which of them answers is chosen
at the start.
Invariants: a noun's function is a generator of statements (``Steps``): it decides, the database's driver
runs, all of it in one transaction, so that what belongs together is committed together; nothing is decided
by a lock in memory, since another instance would not see it; what ``write`` has returned is on stable
storage (SQLite synchronous=FULL, PostgreSQL synchronous_commit=on).
Non-goals: no files (``hub.files``), no HTTP, no ORM.
Read next: ``steps``, ``schema/0001.sql`` (every column explained), ``rows`` (ingest), ``uploads``,
``commands`` (the outgoing ones).
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from appliance.hub.store.retention import Before
from appliance.hub.store.steps import Steps

T = TypeVar("T")


class Store(Protocol):
    """``work`` makes the steps anew each time it is called: a transaction that lost a race runs again."""

    kind: str

    async def write(self, work: Callable[[], Steps[T]]) -> T:
        """Run in one transaction. Raises ``unavailable`` where the database does not answer,
        ``conflict`` where a constraint is broken, ``exhausted`` where its disk is full."""

    async def read(self, work: Callable[[], Steps[T]], *, together: bool = False) -> T:
        """Nothing is written. Each statement sees one state; ``together``: all of them the same."""

    async def tend(self, now_ns: int, keep_from_ns: int = 0) -> None:
        """What is due now and then: next month's partition, say. None is made of what is let go anyway."""

    async def drop_months(self, before: Before) -> tuple[tuple[str, ...], int]:
        """Of rows, whole months that are older; (their names, how many rows went). Where rows do not lie
        by months: none."""

    async def close(self) -> None:
        """Give the connections back; may be called twice."""
