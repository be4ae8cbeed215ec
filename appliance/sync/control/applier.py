"""What an applier is: the plugin point of this room, one file for each kind of order."""

import sqlite3
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from appliance.base.errors import invalid
from appliance.sync.control.order import Order
from appliance.sync.protocol.command import Command

T = TypeVar("T")


class Outcome(msgspec.Struct, frozen=True):
    """``result`` goes to the hub; ``detail`` into this box's audit log. ``changed``: nouns that the box
    has to apply now. ``newest``: a journal position to ring the bell for, 0: none."""

    state: Literal["done", "failed", "refused", "pending"] = "done"
    message: str = ""
    result: dict[str, object] = {}
    detail: dict[str, object] = {}
    changed: tuple[str, ...] = ()
    newest: int = 0


Work = Callable[[sqlite3.Connection, int], Outcome]
"""(connection, now in ns) -> what came of it, inside the transaction that journals and answers it.
Raises ``ApplianceError``: rolled back, and refused in its words."""


@runtime_checkable
class Inside(Protocol):
    """The effect is in ``appliance.db``: exactly once, by one transaction."""

    async def prepare(self, order: Order) -> Work:
        """Look at all that needs waiting for. Raises ``ApplianceError``: refused."""


class Outside(Protocol):
    """The effect is elsewhere: begun at most once."""

    async def apply(self, command: Command) -> Outcome:
        """Raises ``ApplianceError``: failed, in its words."""

    async def recall(self, command: Command) -> Outcome | None:
        """The box stopped while this was under way: what became of it? None: nobody can tell. Must not
        begin it again."""


def body_of(command: Command, kind: type[T]) -> T:
    """Raises ``invalid``."""
    try:
        return msgspec.json.decode(command.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise invalid(f"the order's body makes no sense: {text[:200]}", field="body") from None
