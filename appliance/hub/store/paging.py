"""Filters that are put together, and cursors: the position of the last row that was given out."""

import base64
import binascii

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.hub.store.steps import Value

Position = list[str | int]


class Terms:
    """Terms of a WHERE, joined by AND; ``{}`` in a term stands for its values, which are bound."""

    def __init__(self, first: str, *args: Value) -> None:
        self._terms = [first]
        self.args: list[Value] = list(args)

    def add(self, term: str, *values: Value) -> None:
        self._terms.append(term.format(*(self.bind(value) for value in values)))

    def bind(self, value: Value) -> str:
        """The parameter's mark, for elsewhere in the statement. PostgreSQL's text has no NUL: what is asked
        for with one is asked for with the sign of what could not be read."""
        self.args.append(value.replace("\x00", "\ufffd") if isinstance(value, str) else value)
        return f"${len(self.args)}"

    def __str__(self) -> str:
        return " AND ".join(self._terms)


def encode(*position: str | int) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode(cursor: str, like: tuple[type, ...]) -> Position:
    """Raises ``invalid`` for what ``encode`` never made."""
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
        found = msgspec.json.decode(raw, type=Position)
    except (UnicodeError, binascii.Error, msgspec.DecodeError):
        raise _garbage() from None
    fits = len(found) == len(like) and all(map(isinstance, found, like))
    small = all(part.isprintable() if isinstance(part, str) else abs(part) < 1 << 62 for part in found)
    if not fits or not small:
        raise _garbage()
    return found


def _garbage() -> ApplianceError:
    return invalid("this cursor is not one of ours", "begin again without it", field="cursor")
