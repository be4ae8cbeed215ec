"""What a camera notices itself: motion, tampering, a digital input; and the rules that wait for it.

No track and no zone are involved: a finding begins when the camera says so and ends when it says that it
is over, or when nobody hears it any more.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from appliance.base.model import Rule
from appliance.rules.finding import Finding

What = Literal["motion", "tamper", "input"]
OWN_KINDS = ("motion", "tamper")
_Key = tuple[str, str, str, str]  # rule, camera, what, token


class Noticed(msgspec.Struct, frozen=True):
    """``token``: which input or picture of the camera. ``active`` None: it was so for a moment."""

    camera_id: str
    what: What
    token: str
    active: bool | None
    time_ns: int


class OwnEvents:
    """Which findings are open. Rules come and go; what has begun is ended all the same."""

    def __init__(self) -> None:
        self._open: dict[_Key, Finding] = {}

    def notice(self, rules: Iterable[Rule], noticed: Noticed) -> list[Finding]:
        """Findings of ``rules``, which are those in force now."""
        if noticed.active is False:
            return self._end([key for key in self._open if key[1:] == _about(noticed)], noticed.time_ns)
        began: list[Finding] = []
        for rule in rules:
            key = (rule.id, *_about(noticed))
            if key not in self._open and waits_for(rule, noticed):
                finding = self._open[key] = _finding(rule, noticed)
                began.append(finding)
        if noticed.active is None:
            momentary = [key for key, finding in self._open.items() if finding in began]
            return began + self._end(momentary, noticed.time_ns)
        return began

    def unheard(self, camera_id: str, now_ns: int) -> list[Finding]:
        """Nobody hears this camera from now on."""
        return self._end([key for key in self._open if key[1] == camera_id], now_ns)

    def _end(self, keys: Iterable[_Key], time_ns: int) -> list[Finding]:
        gone = [self._open.pop(key) for key in keys]
        return [
            msgspec.structs.replace(one, phase="ended", time_ns=max(time_ns, one.began_ns)) for one in gone
        ]


def waits_for(rule: Rule, noticed: Noticed) -> bool:
    """Whether this is what ``rule`` is about. (Not: its schedule.)"""
    if noticed.camera_id not in rule.camera_ids or rule.kind not in OWN_KINDS:
        return False
    if rule.params.get("source") == "input":
        return noticed.what == "input"
    return noticed.what == rule.kind


def listens_to(rules: Iterable[Rule]) -> set[str]:
    """Cameras whose own events some enabled rule waits for."""
    return {
        camera_id
        for rule in rules
        if rule.enabled and rule.kind in OWN_KINDS and rule.params.get("source")
        for camera_id in rule.camera_ids
    }


def _about(noticed: Noticed) -> tuple[str, str, str]:
    return noticed.camera_id, noticed.what, noticed.token


def _finding(rule: Rule, noticed: Noticed) -> Finding:
    return Finding(
        rule=rule,
        camera_id=noticed.camera_id,
        track_id="",
        type=rule.kind,
        time_ns=noticed.time_ns,
        seen_ns=noticed.time_ns,
        class_name="",
        confidence=1.0,
        bbox=None,
        zone_id=None,
        began_ns=noticed.time_ns,
    )
