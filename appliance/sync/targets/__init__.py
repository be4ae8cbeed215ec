"""Targets: what the outbox can be delivered to. A plugin point (house.md).

Objective: one Protocol (``put``, ``put_file``, ``probe``, ``close``) and a registry of kinds that imports a
target's file only when such a target is used: one that nobody uses costs nothing.
Invariants: a target acknowledges only what its peer has said it holds (D3); the row's id travels with the
row, as the key by which the peer can tell a second delivery (D2); nothing is raised but cancellation: what
went wrong is a ``Verdict``; no credential is in a verdict's words.
Non-goals: order, lanes, budgets, back-off (``sender``); bodies are carried, not understood.
Read next: ``given`` (what a target is made of), ``registry``, ``https`` (the contract's, smallest), ``hub``
(ours: files, too), ``messages`` (what brokers have in common), ``s3``, ``directory``.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from appliance.base.errors import ApplianceError
from appliance.store.outbox import OutboxRow
from appliance.sync.answer import Verdict


class Material(Protocol):
    """A file that a row owes, made from the ring when it is asked for: the same bytes each time."""

    size_bytes: int
    sha256: str
    mime: str

    def read(self, offset: int, length_bytes: int) -> AsyncIterator[bytes]:
        """Pieces of at most 64 KiB. Raises ``data_loss`` where the ring has lost it meanwhile."""


class Materials(Protocol):
    """Where files come from; given to the sender by the daemon."""

    async def open(self, row: OutboxRow) -> Material:
        """Raises ``not_found`` where the ring has no such footage (any more): the row becomes a
        tombstone; ``unavailable`` where it is not recorded yet: the row waits."""


class Pace(Protocol):
    """Asked before each piece of a file goes out. Waits while something more urgent is on its way, or
    while the budget wants it slower."""

    async def ready(self, length_bytes: int) -> None: ...


class Probed(msgspec.Struct, frozen=True):
    """``detail``: what a person is told, e.g. ``bucket footage: can be written``. ``hint``: the next step,
    where it does not work."""

    ok: bool
    detail: str
    hint: str = ""

    @classmethod
    def failed(cls, error: ApplianceError) -> "Probed":
        return cls(False, error.message, error.hint)


class SyncTarget(Protocol):
    """``takes_files``: whether rows that owe a file can go there at all. ``most_rows``: of one ``put``."""

    takes_files: bool
    most_rows: int

    async def put(self, rows: Sequence[OutboxRow]) -> Verdict:
        """Deliver rows that owe no file. Silence and broken answers are ``later``."""

    async def put_file(self, row: OutboxRow, material: Material, pace: Pace) -> Verdict:
        """Deliver a file, from where it stopped before. ``delivered`` only when its hash fits there."""

    async def probe(self) -> Probed:
        """Is it there, and may we write? Writes nothing that stays."""

    async def close(self) -> None:
        """Give everything back; may be called twice."""


@runtime_checkable
class Attended(Protocol):
    """A target that has something of its own to do beside its rows, such as the hub's heartbeat."""

    async def attend(self) -> None:
        """For ever; run beside the sender, supervised, and cancelled with it."""


@runtime_checkable
class Missed(Protocol):
    """A target at whose other end somebody wonders where the box is."""

    async def farewell(self) -> None:
        """The box is stopped on purpose: say so within a second, or let it be."""
