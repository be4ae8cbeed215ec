"""What the pages show, read in one consistent look at the database and put into the contract's shape,
so that templates and scripts speak of the same fields."""

import sqlite3
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import not_found
from appliance.base.model import Camera, CameraStatus, Event, User
from appliance.base.wire import Json, alert_json, camera_json, event_json, rule_json, zone_json
from appliance.store import alerts, cameras, events, journal, retention_held, rules, settings, users, zones
from appliance.web import models
from appliance.web.box import Box
from appliance.web.connections import deliveries, targets
from appliance.web.people.access import only_seen, sees, sees_rule


class Names(msgspec.Struct, frozen=True):
    """id -> name, of what this user may see."""

    cameras: dict[str, str]
    zones: dict[str, str]
    rules: dict[str, str]


class Frame(msgspec.Struct, frozen=True):
    """What every page carries: who asks, where we are, how far the journal was."""

    user: User
    site: str
    time_zone: str
    names: Names
    journal: int
    open_alerts: int
    cameras: tuple[Camera, ...]  # not archived, in the order they were added
    late: tuple[str, ...] = ()  # targets that an admin should look at; nobody else is told

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


async def frame(box: Box, user: User) -> Frame:
    def look(conn: sqlite3.Connection) -> Frame:
        found = only_seen(user, cameras.list_cameras(conn, archived=True))
        areas = zones.list_zones(conn)
        site = settings.load(conn).site
        waiting = alerts.AlertFilter(statuses=("new",), allowed_camera_ids=user.camera_ids)
        return Frame(
            user=user,
            site=site.name,
            time_zone=site.time_zone,
            names=Names(
                cameras={c.id: c.name for c in found},
                zones={z.id: z.name for z in only_seen(user, areas)},
                rules={r.id: r.name for r in rules.list_rules(conn) if sees_rule(user, r, areas)},
            ),
            journal=journal.newest(conn),
            open_alerts=alerts.page(conn, waiting, 1)[2],
            cameras=tuple(c for c in found if c.archived_ns is None),
            late=deliveries.late(conn, box.clock.now_ns()) if user.role == "admin" else (),
        )

    return await box.db.read(look)


def camera_views(box: Box, found: tuple[Camera, ...]) -> list[Json]:
    return [camera_json(camera, status_of(box, camera)) for camera in found]


def status_of(box: Box, camera: Camera) -> CameraStatus:
    if box.recorder is None:
        return CameraStatus("connecting" if camera.enabled else "disabled", box.clock.now_ns())
    return box.recorder.status(camera.id)


def has_sub(box: Box, camera: Camera) -> bool:
    if box.recorder is None:
        return camera.sub_url is not None
    return box.recorder.has_stream(camera.id, "sub")


async def events_page(
    box: Box, wanted: events.EventFilter, limit: int, cursor: str | None
) -> tuple[list[Json], str | None, int]:
    """Events in the contract's shape, each with its alert's ``id`` and ``status`` under ``alert``."""

    def look(conn: sqlite3.Connection) -> tuple[list[Json], str | None, int]:
        found, more, total = events.page(conn, wanted, limit, cursor)
        return [_with_alert(conn, event) for event in found], more, total

    return await box.db.read(look)


async def event_view(box: Box, user: User, event_id: str) -> tuple[Json, str | None, str | None]:
    """The event, and the ids of the next older and the next newer one. Raises ``not_found``."""

    def look(conn: sqlite3.Connection) -> tuple[Json, str | None, str | None]:
        event = events.get(conn, event_id)
        if event is None or not sees(user, event.camera_id):
            raise not_found("event", event_id)
        return (
            _with_alert(conn, event),
            _older(conn, user, event),
            _newer(conn, user, event, box.clock.now_ns()),
        )

    return await box.db.read(look)


async def alerts_page(
    box: Box, wanted: alerts.AlertFilter, limit: int, cursor: str | None
) -> tuple[list[Json], str | None, int]:
    """Alerts, each with its ``event``: what a person needs to decide."""

    def look(conn: sqlite3.Connection) -> tuple[list[Json], str | None, int]:
        found, more, total = alerts.page(conn, wanted, limit, cursor)
        rows = []
        for alert in found:
            event = events.get(conn, alert.event_id)
            rows.append(alert_json(alert) | {"event": None if event is None else event_json(event)})
        return rows, more, total

    return await box.db.read(look)


async def rules_view(box: Box, user: User) -> tuple[list[Json], list[Json]]:
    """(zones, rules) that concern cameras this user may see."""

    def look(conn: sqlite3.Connection) -> tuple[list[Json], list[Json]]:
        areas = zones.list_zones(conn)
        mine = [rule_json(rule) for rule in rules.list_rules(conn) if sees_rule(user, rule, areas)]
        return [zone_json(zone) for zone in only_seen(user, areas)], mine

    return await box.db.read(look)


async def users_view(box: Box) -> list[User]:
    return await box.db.read(users.list_users)


async def settings_view(box: Box) -> Any:
    return msgspec.to_builtins(await box.db.read(settings.load))


async def deletes_from(box: Box) -> str | None:
    """When a retention that the hub made shorter begins to delete; None: none waits."""
    now_ns = box.clock.now_ns()
    waits = await box.db.read(lambda conn: retention_held.held(conn, now_ns))
    return None if waits is None else rfc3339(waits.until_ns)


async def target_view(box: Box, target_id: str) -> Json:
    """What ``GET /targets/{id}`` answers. Raises ``not_found``."""
    return await targets.one(box, target_id)


async def models_view(box: Box) -> Json:
    """What ``GET /models`` answers. Raises ``unavailable`` without analysis."""
    return await models.overview(box)


def _with_alert(conn: sqlite3.Connection, event: Event) -> Json:
    alert = alerts.of_event(conn, event.id)
    return event_json(event) | {"alert": None if alert is None else alert_json(alert)}


def _older(conn: sqlite3.Connection, user: User, event: Event) -> str | None:
    # Events of the same instant are passed over: walking back must always get further back.
    wanted = events.EventFilter(end_ns=event.start_ns, allowed_camera_ids=user.camera_ids)
    found = events.page(conn, wanted, 1)[0]
    return found[0].id if found else None


def _newer(conn: sqlite3.Connection, user: User, event: Event, now_ns: int) -> str | None:
    # The store pages from the newest on, so the nearest newer one is the last of a span that has any.
    start_ns, span_ns = event.start_ns + 1, 60 * SECOND_NS
    while True:
        wanted = events.EventFilter(
            start_ns=start_ns, end_ns=start_ns + span_ns, allowed_camera_ids=user.camera_ids
        )
        found, more, _ = events.page(conn, wanted, 1000)
        while more is not None:
            found, more, _ = events.page(conn, wanted, 1000, more)
        if found:
            return found[-1].id
        if start_ns + span_ns > now_ns:
            return None
        span_ns *= 8
