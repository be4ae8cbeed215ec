"""An order, once: its effect, the journal's row, the answer and the audit log together.

Of an effect in ``appliance.db`` all is one transaction: a crash leaves it undone and unknown, and the hub,
which has no answer, offers it again. Of an effect elsewhere the journal says ``taken`` before it begins: a
crash leaves that, and at the next start it is asked what became of it, and not begun again.
"""

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import msgspec

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.store import commands
from appliance.store.commands import CommandRow, State
from appliance.store.database import Database
from appliance.sync.control.answering import note, owe
from appliance.sync.control.applier import Inside, Outcome, Outside, Work
from appliance.sync.control.order import Order, must_be_allowed
from appliance.sync.control.trial import Trials
from appliance.sync.protocol.command import Command

log = logging.getLogger(__name__)

TEMPORARY = ("unavailable", "exhausted", "data_loss", "internal")  # the order was fine: it failed
CUT_SHORT = "the box stopped while this was being done: look whether it was before ordering it again"


class Obeying:
    """``obey`` orders that passed ``judge``; ``refuse`` authentic ones that did not. ``changed`` applies
    nouns; ``ring`` rings for a journal position; ``on_owed`` says that the outbox has more."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        appliers: Mapping[str, Inside | Outside],
        trials: Trials,
        *,
        changed: Callable[[str], Awaitable[None]],
        ring: Callable[[int], None] = lambda _: None,
        on_owed: Callable[[], None] = lambda: None,
    ) -> None:
        self._db, self._clock = db, clock
        self._appliers, self._trials = appliers, trials
        self._changed, self._ring, self._on_owed = changed, ring, on_owed

    async def obey(self, order: Order) -> None:
        """Raises ``NotObeyed`` where the admin has just said no."""
        applier = self._appliers.get(order.command.kind)
        if applier is None:
            await self._answer_at_once(order, Outcome("refused", "this is not built on this box"))
        elif isinstance(applier, Inside):
            await self._inside(order, applier)
        else:
            await self._outside(order, applier)

    async def refuse(self, order: Order, message: str) -> None:
        """It is authentic: who ordered it is told why not. Its audit row is written by ``Refusals``."""

        def work(conn: sqlite3.Connection) -> None:
            if commands.get(conn, order.command.id) is None:
                now_ns = self._clock.now_ns()
                commands.insert(conn, _row(order, "refused", message, now_ns))
                owe(conn, order.command.id, "refused", message, {}, now_ns)

        await self._db.write(work)
        self._on_owed()

    async def recover(self) -> None:
        """After a start: what was under way outside is answered for, and not begun again."""
        for row in await self._db.read(commands.unfinished):
            command = Command(row.id, "", row.seq, row.kind, "", "", row.by, msgspec.Raw(row.body.encode()))
            applier = self._appliers.get(row.kind)
            outcome: Outcome | None = None
            if applier is not None and not isinstance(applier, Inside):
                outcome = await applier.recall(command)
            await self._finish(command, outcome or Outcome("failed", CUT_SHORT))

    async def _inside(self, order: Order, applier: Inside) -> None:
        try:
            work = await applier.prepare(order)
            with self._trials.being_applied():
                outcome = await self._db.write(lambda conn: self._in_one(conn, order, work))
                for noun in outcome.changed:
                    await self._changed(noun)
        except ApplianceError as error:
            state: Literal["failed", "refused"] = "failed" if error.kind in TEMPORARY else "refused"
            hint = f" ({error.hint})" if error.hint else ""
            await self._answer_at_once(order, Outcome(state, error.message + hint))
            return
        if outcome.newest:
            self._ring(outcome.newest)
        self._on_owed()

    def _in_one(self, conn: sqlite3.Connection, order: Order, work: Work) -> Outcome:
        must_be_allowed(conn, order)
        now_ns = self._clock.now_ns()
        outcome = work(conn, now_ns)
        commands.insert(conn, _row(order, outcome.state, outcome.message, now_ns))
        owe(conn, order.command.id, outcome.state, outcome.message, outcome.result, now_ns)
        _note(conn, order.command, outcome.state, outcome.message, outcome.detail, now_ns)
        return outcome

    async def _answer_at_once(self, order: Order, outcome: Outcome) -> None:
        await self._db.write(lambda conn: self._in_one(conn, order, lambda _conn, _now_ns: outcome))
        self._on_owed()

    async def _outside(self, order: Order, applier: Outside) -> None:
        command = order.command

        def take(conn: sqlite3.Connection) -> None:
            must_be_allowed(conn, order)
            now_ns = self._clock.now_ns()
            commands.insert(conn, _row(order, "taken", "", now_ns))
            _note(conn, command, "taken", "", {}, now_ns)

        await self._db.write(take)
        try:
            outcome = await applier.apply(command)
        except ApplianceError as error:
            outcome = Outcome("failed", str(error))
        except Exception:  # any part of the box may fail in it; who ordered it has to be told
            log.exception("an order to %s failed", command.kind)
            outcome = Outcome("failed", "something went wrong inside the box: see its log")
        await self._finish(command, outcome)

    async def _finish(self, command: Command, outcome: Outcome) -> None:
        def work(conn: sqlite3.Connection) -> None:
            now_ns = self._clock.now_ns()
            if commands.answer(conn, command.id, outcome.state, outcome.message, now_ns):
                owe(conn, command.id, outcome.state, outcome.message, outcome.result, now_ns)
                _note(conn, command, outcome.state, outcome.message, outcome.detail, now_ns)

        await self._db.write(work)
        self._on_owed()


def _note(
    conn: sqlite3.Connection,
    command: Command,
    state: State,
    message: str,
    detail: dict[str, object],
    now_ns: int,
) -> None:
    note(conn, command.id, command.kind, command.by, state, message, detail, now_ns)


def _row(order: Order, state: State, message: str, now_ns: int) -> CommandRow:
    command = order.command
    is_final = state in commands.FINAL
    return CommandRow(
        command.id, order.key_id, command.seq, command.kind[:40], command.by,
        bytes(command.body).decode(errors="replace"), state, message[: commands.LONGEST_MESSAGE], now_ns,
        order.expires_ns, now_ns if is_final else None,
    )  # fmt: skip
