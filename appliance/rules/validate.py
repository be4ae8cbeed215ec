"""Rules and zones that make sense, said before they are stored."""

import difflib
import math
from collections.abc import Iterable, Sequence

from appliance.base.errors import invalid
from appliance.base.geometry import Point, is_simple
from appliance.base.model import Rule, Zone
from appliance.rules import schedule
from appliance.rules.kinds import BUILT, KINDS, Kind

LONGEST_COOLDOWN_S = 86_400.0
MOST_POINTS = 64


def validate_zone(zone: Zone) -> None:
    """Raises ``invalid`` where the points do not make a simple polygon or a line in the picture."""
    if zone.kind == "polygon":
        validate_polygon(zone.points, "points")
        return
    _check_points(zone.points, "points")
    if len(zone.points) != 2 or zone.points[0] == zone.points[1]:
        raise invalid("a line has exactly two different points", "mark its two ends", field="points")


def validate_polygon(points: Sequence[Point], field: str) -> None:
    """Raises ``invalid`` with ``field`` where the points do not make a simple polygon in the picture."""
    _check_points(points, field)
    if len(points) < 3:
        raise invalid(
            f"a polygon needs at least 3 points, this one has {len(points)}",
            "mark at least three corners",
            field=field,
        )
    if len(points) > MOST_POINTS:
        raise invalid(f"a polygon has at most {MOST_POINTS} points", "draw it coarser", field=field)
    if not is_simple(points):
        raise invalid(
            "the edges of the polygon cross or touch each other",
            "go around the area once, without crossing your own line",
            field=field,
        )


def _check_points(points: Sequence[Point], field: str) -> None:
    for number, point in enumerate(points):
        if not all(math.isfinite(part) and 0 <= part <= 1 for part in point):
            raise invalid(
                f"point {number} lies outside the picture",
                "coordinates are parts of the picture, 0 to 1, from the top left",
                field=f"{field}[{number}]",
            )


def validate(rule: Rule, zones: Iterable[Zone]) -> None:
    """Raises ``invalid`` with the field that is wrong; ``zones`` are all that there are."""
    kind = BUILT.get(rule.kind)
    if kind is None:
        raise invalid(
            f"rules of kind {rule.kind} are not available yet",
            f"available are {', '.join(BUILT)}",
            field="kind",
        )
    _check_params(rule, kind)
    if kind.ZONE_KIND is None:
        _check_own(rule)
    else:
        _check_zones(rule, kind, {zone.id: zone for zone in zones})
    if not 0 <= rule.min_confidence <= 1:
        raise invalid("min_confidence is a part of 1", "write 0.5 for 50 %", field="min_confidence")
    if not 0 <= rule.cooldown_s <= LONGEST_COOLDOWN_S:
        raise invalid(
            "cooldown_s lies between 0 and 86400",
            "it holds back alerts for so many seconds; 0 holds back none",
            field="cooldown_s",
        )
    if rule.schedule is not None:
        schedule.validate(rule.schedule)


def _check_params(rule: Rule, kind: Kind) -> None:
    for name, value in rule.params.items():
        field = f"params.{name}"
        if name not in kind.PARAMS:
            raise invalid(f"{rule.kind} has no param {name[:40]!r}", _nearest(name, kind), field=field)
        if value not in kind.PARAMS[name]:
            allowed = ", ".join(map(str, kind.PARAMS[name]))
            raise invalid(f"{str(value)[:40]!r} is no {name}", f"it is one of {allowed}", field=field)


def _nearest(name: str, kind: Kind) -> str:
    if not kind.PARAMS:
        return "this kind takes no params"
    close = difflib.get_close_matches(name, kind.PARAMS, n=1, cutoff=0.0)
    return f"did you mean {close[0]}?" if close else f"it takes {', '.join(kind.PARAMS)}"


def _check_own(rule: Rule) -> None:
    """A rule about what cameras notice themselves."""
    if "source" not in rule.params:
        raise invalid(
            f"{rule.kind} needs the param source",
            "camera: what the camera notices itself; input: its digital input",
            field="params.source",
        )
    if not rule.camera_ids:
        raise invalid(f"{rule.kind} needs a camera", "name its id in camera_ids", field="camera_ids")
    for field in ("zone_ids", "classes"):
        if getattr(rule, field):
            hint = "leave it empty: the camera tells neither where nor what"
            raise invalid(f"{rule.kind} takes no {field}", hint, field=field)


def _check_zones(rule: Rule, kind: Kind, zones: dict[str, Zone]) -> None:
    if not rule.zone_ids:
        raise invalid(
            f"{rule.kind} needs a zone", f"draw a {kind.ZONE_KIND} and name its id", field="zone_ids"
        )
    for number, zone_id in enumerate(rule.zone_ids):
        field = f"zone_ids[{number}]"
        zone = zones.get(zone_id)
        if zone is None:
            raise invalid(
                f"there is no zone {zone_id[:40]!r}", "list the zones to see their ids", field=field
            )
        if zone.kind != kind.ZONE_KIND:
            raise invalid(
                f"{rule.kind} needs a {kind.ZONE_KIND}, {zone.name!r} is a {zone.kind}",
                f"choose a zone of kind {kind.ZONE_KIND}",
                field=field,
            )
        if rule.camera_ids and zone.camera_id not in rule.camera_ids:
            raise invalid(
                f"zone {zone.name!r} belongs to camera {zone.camera_id}, which the rule leaves out",
                "add the camera to camera_ids, or leave camera_ids empty",
                field=field,
            )


__all__ = ["KINDS", "validate", "validate_zone"]
