"""What an order to change settings needs beside its kind, and what no admin has allowed is refused.

Commit-confirm brings settings back, but not footage that is deleted, rows that are dropped, or a token that
was shown to somebody else: such changes are each a permission of their own, off until the box's admin turns
it on.
"""

from collections.abc import Iterator
from typing import Any, Literal, get_args

from appliance.base.errors import ApplianceError
from appliance.sync.control.document import OF_THE_HUB, Change
from appliance.sync.protocol.command import Kind

Extra = Literal["shorten_retention", "change_clock", "change_targets", "move_hub"]
Permission = Literal[Kind, Extra]
EXTRAS: tuple[Extra, ...] = get_args(Extra)
NAMES: dict[Extra, str] = {  # as on the box's screen
    "shorten_retention": "Keep recordings and rows for less time",
    "change_clock": "Change the time zone and the night",
    "change_targets": "Change other targets",
    "move_hub": "Move to another address of the hub",
}
WHY: dict[Extra, str] = {
    "shorten_retention": "would let the box delete more",
    "change_clock": "would move every schedule of the box",
    "change_targets": "is about a target that is not this hub",
    "move_hub": "would send the box, and its token, elsewhere",
}
_LESS = ("days", "max_bytes", "event_days")  # of retention: less of it deletes more
_MORE = ("reserve_percent", "reserve_bytes")
_KEPT = ("quota_bytes", "body_days", "journal_days", "journal_bytes")  # of a target's policy


def needed(changes: list[Change], own: str) -> Iterator[tuple[Extra, str]]:
    """Each permission that the changes need, with the field that needs it. ``own``: the hub's target."""
    for change in changes:
        extra = _of(change, own)
        if extra is not None:
            yield extra, ".".join(change.path)


def must_be_permitted(changes: list[Change], own: str, allowed: frozenset[str]) -> None:
    """Raises ``denied`` for the first field that needs what is not allowed."""
    for extra, field in needed(changes, own):
        if extra not in allowed:
            raise ApplianceError(
                "denied",
                f"{field} {WHY[extra]}, and this box's admin has not allowed that",
                f"change it at the box, or allow {NAMES[extra]!r} there, under Connections",
                field=field[:200],
            )


def shortens(change: Change) -> bool:
    """Whether it lets the box delete, or drop, what it would have kept."""
    match change.path:
        case ("retention", name) if name in _LESS:
            return _is_less(change.after, change.before)
        case ("retention", name) if name in _MORE:
            return _is_less(change.before, change.after)
        case ("retention", *_):
            return True
        case ("targets", _, "policy", name) if name in _KEPT:
            return _is_less(change.after, change.before)
    return False


def _of(change: Change, own: str) -> Extra | None:
    match change.path:
        case ("targets", target_id, *_) if target_id != own:
            return "change_targets"
        case ("targets", _, name) if name in OF_THE_HUB:
            return "move_hub"
        case ("site", "time_zone") | ("night", *_):
            return "change_clock"
    return "shorten_retention" if shortens(change) else None


def _is_less(one: Any, two: Any) -> bool:
    """None: no limit."""
    return one is not None and (two is None or one < two)
