"""The closed set of rule kinds, and which of them are built."""

from typing import Literal, Protocol, cast, get_args

from appliance.base.model import Rule, RuleKind
from appliance.rules import line_cross, motion, tamper, zone_enter, zone_exit
from appliance.rules.finding import Change

KINDS: tuple[RuleKind, ...] = get_args(RuleKind)


class Kind(Protocol):
    """What the file of a kind offers. ``ZONE_KIND`` None: it is about cameras, not zones. ``PARAMS``: each
    parameter with the values it may have."""

    ZONE_KIND: Literal["polygon", "line"] | None
    PARAMS: dict[str, tuple[object, ...]]

    def matches(self, rule: Rule, change: Change) -> bool:
        """Is this change what the rule looks for? (Not: class, confidence, schedule.)"""


BUILT: dict[str, Kind] = {
    "zone_enter": cast(Kind, zone_enter),
    "zone_exit": cast(Kind, zone_exit),
    "line_cross": cast(Kind, line_cross),
    "motion": cast(Kind, motion),
    "tamper": cast(Kind, tamper),
}
