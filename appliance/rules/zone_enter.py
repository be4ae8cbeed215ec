"""``zone_enter``: an object goes into a polygon, or first becomes visible in it."""

from typing import Literal

from appliance.base.model import Rule
from appliance.rules.finding import Change

ZONE_KIND: Literal["polygon", "line"] = "polygon"
PARAMS: dict[str, tuple[object, ...]] = {}


def matches(rule: Rule, change: Change) -> bool:
    return change.kind == "entered"
