"""``zone_exit``: an object goes out of a polygon, or moves in it and is then seen no more."""

from typing import Literal

from appliance.base.model import Rule
from appliance.rules.finding import Change

ZONE_KIND: Literal["polygon", "line"] = "polygon"
PARAMS: dict[str, tuple[object, ...]] = {}


def matches(rule: Rule, change: Change) -> bool:
    return change.kind == "left"
