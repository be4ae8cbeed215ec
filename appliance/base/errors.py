"""The one error type that crosses rooms.

Web maps ``kind`` to an HTTP status, sync and alerts map it to retry or park, supervisors map it
to a back-off. ``hint`` is the operator's next step and is shown verbatim.
"""

from typing import Literal, get_args

Kind = Literal[
    "invalid",
    "not_found",
    "denied",
    "conflict",
    "unavailable",
    "exhausted",
    "data_loss",
    "internal",
]

KINDS: frozenset[str] = frozenset(get_args(Kind))


class ApplianceError(Exception):
    """Something a person or a program must be told.

    ``message`` says what happened, ``hint`` what to do next, ``field`` names the offending input
    (a dotted path) where there is one. None of them may hold a credential.
    """

    def __init__(self, kind: Kind, message: str, hint: str = "", *, field: str | None = None) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.hint = hint
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def invalid(message: str, hint: str = "", *, field: str | None = None) -> ApplianceError:
    """Shorthand for the commonest kind: input that a person can mend."""
    return ApplianceError("invalid", message, hint, field=field)


def not_found(noun: str, name: str) -> ApplianceError:
    """``noun`` with the id ``name`` does not exist."""
    return ApplianceError("not_found", f"there is no {noun} {name!r}", f"list the {noun}s to see their ids")
