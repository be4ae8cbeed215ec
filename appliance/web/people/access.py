"""Who may see which camera. Roles stand in the route table; this is the other half."""

from collections.abc import Iterable
from typing import TypeVar

from appliance.base.model import Camera, Rule, User, Zone
from appliance.web.errors import denied

T = TypeVar("T", bound=Camera | Zone)


def sees(user: User, camera_id: str | None) -> bool:
    """True where the person is not limited, or not from this camera. None: it is of no camera."""
    return user.camera_ids is None or camera_id is None or camera_id in user.camera_ids


def only_seen(user: User, things: Iterable[T]) -> list[T]:
    if user.camera_ids is None:
        return list(things)
    return [t for t in things if sees(user, t.id if isinstance(t, Camera) else t.camera_id)]


def camera_filter(user: User, wanted: tuple[str, ...]) -> tuple[str, ...] | None:
    """The cameras to look for: ``wanted`` (empty: all) as far as the person may. None: no camera."""
    if user.camera_ids is None:
        return wanted
    allowed = tuple(c for c in user.camera_ids if not wanted or c in wanted)
    return allowed or None


def rule_cameras(rule: Rule, zones: Iterable[Zone]) -> set[str]:
    """Those it names, and those whose zones it names."""
    return {*rule.camera_ids, *(zone.camera_id for zone in zones if zone.id in rule.zone_ids)}


def sees_rule(user: User, rule: Rule, zones: Iterable[Zone]) -> bool:
    """A person limited to some cameras sees the rules that concern these alone."""
    if user.camera_ids is None:
        return True
    cameras = rule_cameras(rule, zones)
    return bool(cameras) and cameras <= set(user.camera_ids)


def must_see_all(user: User) -> None:
    """Some changes are not for people who are limited to some cameras."""
    if user.camera_ids is not None:
        raise denied("your account is limited to some cameras", "ask an admin who sees all of them")
