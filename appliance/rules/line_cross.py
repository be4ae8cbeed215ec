"""``line_cross``: an object goes over a line.

``forward``: standing on the first point and looking at the second, the object goes from your left
hand to your right, on the screen.
"""

from typing import Literal

from appliance.base.model import Rule
from appliance.rules.finding import Change

ZONE_KIND: Literal["polygon", "line"] = "line"
PARAMS: dict[str, tuple[object, ...]] = {"direction": ("forward", "backward", "both")}


def matches(rule: Rule, change: Change) -> bool:
    wanted = rule.params.get("direction", "both")
    return change.kind == "crossed" and wanted in ("both", change.direction)
