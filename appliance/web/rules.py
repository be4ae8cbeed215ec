"""/rules: what makes an event out of tracks."""

import sqlite3
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web

from appliance.base.errors import invalid, not_found
from appliance.base.ids import uuid7
from appliance.base.model import Rule, RuleKind, Schedule, ScheduleWindow, Severity, Zone
from appliance.base.wire import rule_json
from appliance.rules.relay import read_action
from appliance.rules.validate import validate
from appliance.store import audit, cameras, rules, zones
from appliance.web.errors import denied
from appliance.web.params import Id, Name, Share
from appliance.web.people.access import rule_cameras, sees, sees_rule
from appliance.web.routes import API, Call, Route, answer, nothing
from appliance.web.shapes import RuleAnswer, RulesAnswer

TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$(?!\n)")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Ids = Annotated[tuple[Id, ...], msgspec.Meta(max_length=1000)]


class WindowBody(msgspec.Struct, forbid_unknown_fields=True):
    """``from`` after ``to`` reaches into the next day; in the site's zone."""

    days: Annotated[tuple[Day, ...], msgspec.Meta(min_length=1, max_length=7)]
    start: TimeOfDay = msgspec.field(name="from")
    end: TimeOfDay = msgspec.field(name="to")


class ScheduleBody(msgspec.Struct, forbid_unknown_fields=True):
    windows: Annotated[tuple[WindowBody, ...], msgspec.Meta(max_length=100)]


class RuleBody(msgspec.Struct, forbid_unknown_fields=True):
    """``schedule`` null: always. ``id`` may come back as it was."""

    name: Name
    kind: RuleKind
    enabled: bool = True
    camera_ids: Ids = ()
    zone_ids: Ids = ()
    classes: Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)] = ()
    min_confidence: Share = 0.0
    params: dict[str, Any] = {}
    schedule: ScheduleBody | None = None
    severity: Severity = "warning"
    cooldown_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 60.0
    actions: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(max_length=20)] = ()
    id: str | None = None


async def list_rules(call: Call) -> web.StreamResponse:
    found, areas = await call.box.db.read(_rules_and_zones)
    return answer({"rules": [rule_json(rule) for rule in found if sees_rule(call.user, rule, areas)]})


async def add(call: Call) -> web.StreamResponse:
    body = await call.body(RuleBody)
    if body.id is not None:
        raise invalid("the box gives rules their ids", "leave it out", field="id")
    now_ns = call.now_ns
    rule = _to_rule(body, uuid7(now_ns))

    def work(conn: sqlite3.Connection) -> None:
        _check(conn, call, rule)
        rules.insert(conn, rule)
        audit.add(conn, now_ns, call.user, "changed", f"rule/{rule.id}", {"added": rule.name})

    await call.box.db.write(work)
    await call.changed("rules")
    return answer({"rule": rule_json(rule)}, 201)


async def replace(call: Call) -> web.StreamResponse:
    body = await call.body(RuleBody)
    before = await _existing(call)
    if body.id not in (None, before.id):
        raise invalid("a rule keeps its id", "leave it out, or send the old one", field="id")
    rule = _to_rule(body, before.id)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        _check(conn, call, rule)
        rules.replace(conn, rule)
        audit.add(conn, now_ns, call.user, "changed", f"rule/{rule.id}", {"changed": rule.name})

    await call.box.db.write(work)
    await call.changed("rules")
    return answer({"rule": rule_json(rule)})


async def remove(call: Call) -> web.StreamResponse:
    rule = await _existing(call)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        rules.delete(conn, rule.id)
        audit.add(conn, now_ns, call.user, "changed", f"rule/{rule.id}", {"removed": rule.name})

    await call.box.db.write(work)
    await call.changed("rules")
    return nothing()


async def _existing(call: Call) -> Rule:
    id_ = call.name("id")
    found, areas = await call.box.db.read(_rules_and_zones)
    rule = next((rule for rule in found if rule.id == id_), None)
    if rule is None or not sees_rule(call.user, rule, areas):
        raise not_found("rule", id_)
    return rule


def _rules_and_zones(conn: sqlite3.Connection) -> tuple[list[Rule], list[Zone]]:
    return rules.list_rules(conn), zones.list_zones(conn)


def to_schedule(body: ScheduleBody) -> Schedule:
    return Schedule(tuple(ScheduleWindow(w.days, w.start, w.end) for w in body.windows))


def _to_rule(body: RuleBody, rule_id: str) -> Rule:
    for number, action in enumerate(body.actions):
        if action.get("kind") not in ("record", "notify", "relay"):
            raise invalid("an action has a kind", "record, notify or relay", field=f"actions.{number}.kind")
    return Rule(
        id=rule_id,
        name=body.name,
        kind=body.kind,
        enabled=body.enabled,
        camera_ids=body.camera_ids,
        zone_ids=body.zone_ids,
        classes=body.classes,
        min_confidence=body.min_confidence,
        params=body.params,
        schedule=None if body.schedule is None else to_schedule(body.schedule),
        severity=body.severity,
        cooldown_s=body.cooldown_s,
        actions=body.actions,
    )


def _check(conn: sqlite3.Connection, call: Call, rule: Rule) -> None:
    living = {camera.id for camera in cameras.list_cameras(conn)}
    for camera_id in rule.camera_ids:
        if camera_id not in living:
            raise invalid(
                f"there is no camera {camera_id!r}", "list the cameras to see their ids", field="camera_ids"
            )
    for number, action in enumerate(rule.actions):
        if action["kind"] != "relay":
            continue
        owner = read_action(action, number).camera_id
        if owner not in living or not sees(call.user, owner):
            field, hint = f"actions.{number}.camera_id", "list the cameras to see their ids"
            raise invalid(f"there is no camera {owner!r}", hint, field=field)
    areas = zones.list_zones(conn)
    validate(rule, areas)
    if not sees_rule(call.user, rule, areas):
        named = rule_cameras(rule, areas)
        raise denied(
            "the rule concerns cameras that you may not see"
            if named
            else "the rule concerns no camera of yours",
            "name only your own cameras and zones",
        )


_ONE = f"{API}/rules/{{id:[A-Za-z0-9-]{{1,64}}}}"
ROUTES = (
    Route("GET", f"{API}/rules", "viewer", list_rules, "All rules", RulesAnswer),
    Route("POST", f"{API}/rules", "installer", add, "Add a rule", RuleAnswer, RuleBody, status=201),
    Route("PUT", _ONE, "installer", replace, "Replace a rule", RuleAnswer, RuleBody),
    Route("DELETE", _ONE, "installer", remove, "Remove a rule", status=204),
)
