"""The action ``relay``: a relay output of a camera is closed for some seconds when the rule alerts."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from appliance.base.errors import invalid
from appliance.base.model import Rule

LONGEST_S = 600.0


class RelayAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``relay`` is the token that the camera calls it by."""

    kind: Literal["relay"]
    camera_id: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    relay: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    seconds: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_S)]


def read_action(action: dict[str, Any], number: int) -> RelayAction:
    """Raises ``invalid``, naming the action."""
    try:
        return msgspec.convert(action, RelayAction)
    except msgspec.ValidationError as error:
        raise invalid(
            f"this is no relay action: {error}",
            "write it as {kind: relay, camera_id, relay, seconds: 5}; at most 600 seconds",
            field=f"actions.{number}",
        ) from None


def relay_actions(rule: Rule) -> Iterable[RelayAction]:
    """Those of a stored rule; one of before they were checked is passed over."""
    for action in rule.actions:
        try:
            if action.get("kind") == "relay":
                yield msgspec.convert(action, RelayAction)
        except msgspec.ValidationError:
            continue
