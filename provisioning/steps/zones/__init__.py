"""Zones and the rules that watch them, from templates, drawn on the cameras' own pictures.

Objective: what a site wants to know of, in a few taps: a template gives shape, rules, classes and severity.
Invariants: a zone is known by its camera and its name, a rule by its name: what is there is changed, not
doubled, and what others drew is left alone; only kinds of rules that the box has.
Non-goals: rules of one's own making (the box's pages), masks.
Read next: ``templates.toml``.
"""

import difflib
from typing import Annotated, Any, ClassVar

import msgspec

from appliance.base.errors import ApplianceError, invalid
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say
from provisioning.steps.zones.templates import Points, Template, rule_body, templates

SAME = 0.0005  # of the picture: what is rounded on the way


class ZoneGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``camera``: its name or id. ``template``: perimeter, entrance, car-park, till, production-line, night.
    ``name`` empty: as the template's. ``points`` empty: where the template has them."""

    camera: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    template: str
    name: Annotated[str, msgspec.Meta(max_length=60)] = ""
    points: Points = ()


class ZonesGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    zone: tuple[ZoneGiven, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """In the API's shape; ``templates`` for a list to choose from."""

    cameras: tuple[dict[str, Any], ...]
    zones: tuple[dict[str, Any], ...]
    rules: tuple[dict[str, Any], ...]
    templates: tuple[Template, ...]
    night: dict[str, str]


class _There(msgspec.Struct, frozen=True):
    """What the box has."""

    cameras: list[dict[str, Any]]
    zones: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    night: dict[str, str]


class _Wanted(msgspec.Struct, frozen=True):
    camera: dict[str, Any]
    template: Template
    name: str
    points: Points

    @property
    def title(self) -> str:
        return f"{self.camera['name']}, {self.name}"

    def zone(self) -> dict[str, Any]:
        points = [list(point) for point in self.points]
        return {
            "camera_id": self.camera["id"],
            "name": self.name,
            "kind": self.template.kind,
            "points": points,
        }


class Zones(BaseStep[ZonesGiven]):
    name: ClassVar[str] = "zones"
    title: ClassVar[str] = "Zones and rules"
    optional: ClassVar[bool] = True
    given: type[ZonesGiven] = ZonesGiven

    async def probe(self, ground: Ground) -> Found:
        there = await _there(ground)
        return Found(
            tuple(there.cameras), tuple(there.zones), tuple(there.rules), tuple(templates().values()),
            there.night,
        )  # fmt: skip

    async def plan(self, ground: Ground, given: ZonesGiven) -> Plan:
        there = await _there(ground)
        changes = []
        for wanted in _all(given, there):
            before = _zone_of(wanted, there)
            if before is None:
                rules = "\n".join(_in_words(wanted, there.night))
                changes.append(Change(f"draw {wanted.name} on {wanted.camera['name']}", rules))
                continue
            if _moved(before, wanted):
                changes.append(Change(f"redraw {wanted.name} on {wanted.camera['name']}"))
            for body in _rules_of(wanted, before["id"], there.night):
                known = _rule_of(body["name"], there)
                if known is None or _differs(known, body):
                    verb = "add" if known is None else "change"
                    changes.append(Change(f"{verb} the rule {body['name']}"))
        notes = (
            () if changes or there.rules else ("nothing raises an alert yet: zones can be drawn later, too",)
        )
        return Plan(tuple(changes), notes)

    async def apply(self, ground: Ground, given: ZonesGiven, say: Say) -> Applied:
        there = await _there(ground)
        for number, wanted in enumerate(_all(given, there)):
            zone_id = await _put_zone(ground, wanted, there, f"zone.{number}", say)
            for body in _rules_of(wanted, zone_id, there.night):
                known = _rule_of(body["name"], there)
                if known is None:
                    await _ask(ground, "POST", "/rules", body, f"zone.{number}.template")
                elif _differs(known, body):
                    await _ask(ground, "PUT", f"/rules/{known['id']}", body, f"zone.{number}.template")
        return Applied()

    async def verify(self, ground: Ground, given: ZonesGiven | None) -> tuple[Check, ...]:
        there = await _there(ground)
        names = {camera["id"]: camera["name"] for camera in there.cameras}
        checks = []
        for zone in there.zones:
            watching = [rule for rule in there.rules if zone["id"] in rule["zone_ids"] and rule["enabled"]]
            text = "; ".join(f"{rule['name'].rpartition(': ')[2]} ({rule['severity']})" for rule in watching)
            checks.append(
                Check(
                    f"{names.get(zone['camera_id'], zone['camera_id'])}, {zone['name']}", bool(watching),
                    text or "no rule watches it", "add a rule on the camera's page, or delete the zone",
                )
            )  # fmt: skip
        return tuple(checks)


async def _there(ground: Ground) -> _There:
    async def of(noun: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await ground.daemon.ask("GET", f"/{noun}"))[noun]
        return found

    settings = (await ground.daemon.ask("GET", "/settings"))["settings"]
    return _There(await of("cameras"), await of("zones"), await of("rules"), settings["night"])


def _all(given: ZonesGiven, there: _There) -> list[_Wanted]:
    """Raises ``invalid`` with the field for what is not there."""
    found: list[_Wanted] = []
    for number, zone in enumerate(given.zone):
        wanted = _wanted(zone, there, f"zone.{number}")
        if any(one.camera["id"] == wanted.camera["id"] and one.name == wanted.name for one in found):
            hint = "give one of them another name"
            raise invalid(f"{wanted.title} is there twice", hint, field=f"zone.{number}.name")
        found.append(wanted)
    return found


def _wanted(zone: ZoneGiven, there: _There, field: str) -> _Wanted:
    cameras = {camera["id"]: camera for camera in there.cameras}
    camera = next((c for c in there.cameras if c["name"] == zone.camera), cameras.get(zone.camera))
    if camera is None:
        known = [c["name"] for c in there.cameras]
        raise invalid(
            f"there is no camera {zone.camera!r}", _nearest(zone.camera, known), field=f"{field}.camera"
        )
    template = templates().get(zone.template)
    if template is None:
        hint = _nearest(zone.template, list(templates()))
        raise invalid(f"there is no template {zone.template[:40]!r}", hint, field=f"{field}.template")
    points = zone.points or template.points
    most = 2 if template.kind == "line" else 64
    least = 2 if template.kind == "line" else 3
    if not least <= len(points) <= most or any(not 0 <= part <= 1 for point in points for part in point):
        hint = (
            "two ends" if template.kind == "line" else "3 to 64 corners, as parts of the picture from 0 to 1"
        )
        raise invalid(f"{template.title} is no such shape", hint, field=f"{field}.points")
    return _Wanted(camera, template, zone.name.strip() or template.title, points)


def _nearest(text: str, known: list[str]) -> str:
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.4)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(known)}" if known else "add cameras first"


def _zone_of(wanted: _Wanted, there: _There) -> dict[str, Any] | None:
    key = (wanted.camera["id"], wanted.name)
    return next((zone for zone in there.zones if (zone["camera_id"], zone["name"]) == key), None)


def _rule_of(name: str, there: _There) -> dict[str, Any] | None:
    return next((rule for rule in there.rules if rule["name"] == name), None)


def _rules_of(wanted: _Wanted, zone_id: str, night: dict[str, str]) -> list[dict[str, Any]]:
    return [rule_body(form, wanted.title, zone_id, night) for form in wanted.template.rule]


def _differs(known: dict[str, Any], body: dict[str, Any]) -> bool:
    return any(known[key] != value for key, value in body.items())


def _moved(before: dict[str, Any], wanted: _Wanted) -> bool:
    if before["kind"] != wanted.template.kind or len(before["points"]) != len(wanted.points):
        return True
    pairs = zip(before["points"], wanted.points, strict=True)
    return any(abs(a - b) > SAME for one, other in pairs for a, b in zip(one, other, strict=True))


def _in_words(wanted: _Wanted, night: dict[str, str]) -> list[str]:
    lines = []
    for form in wanted.template.rule:
        when = f", {night['from']} to {night['to']}" if form.at == "night" else ""
        lines.append(f"{form.severity}: {form.name} ({', '.join(form.classes) or 'anything'}{when})")
    return lines


async def _put_zone(ground: Ground, wanted: _Wanted, there: _There, field: str, say: Say) -> str:
    before = _zone_of(wanted, there)
    if before is not None and not _moved(before, wanted):
        return str(before["id"])
    say(f"drawing {wanted.name} on {wanted.camera['name']}")
    if before is None:
        answer = await _ask(ground, "POST", "/zones", wanted.zone(), field)
    else:
        answer = await _ask(ground, "PUT", f"/zones/{before['id']}", wanted.zone(), field)
    return str(answer["zone"]["id"])


async def _ask(ground: Ground, method: str, path: str, body: dict[str, Any], field: str) -> Any:
    """The daemon's refusal, at the answer that it is about."""
    try:
        return await ground.daemon.ask(method, path, body)
    except ApplianceError as error:
        at = f"{field}.{error.field}" if error.field else field
        raise ApplianceError(error.kind, error.message, error.hint, field=at) from None
