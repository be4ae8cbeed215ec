"""``tamper``: the camera says that it is covered or turned, or a contact at its digital input does."""

from typing import Literal

from appliance.base.model import Rule
from appliance.rules.finding import Change

ZONE_KIND: Literal["polygon", "line"] | None = None
PARAMS: dict[str, tuple[object, ...]] = {"source": ("camera", "input")}


def matches(rule: Rule, change: Change) -> bool:
    return False  # no track tells it: see ``own_events``
