"""Alerts over all sites, and how far an acknowledgement from here has travelled."""

from collections.abc import Mapping

import msgspec

from appliance.hub.pages import words
from appliance.hub.pages.asked import PER_PAGE, Asked
from appliance.hub.pages.seen import called, time_zone
from appliance.hub.store import alerts, alerts_list, clips, directory, fleet_list
from appliance.hub.store.alerts import AlertFilter, SeenAlert
from appliance.hub.store.alerts_list import AckOrder
from appliance.hub.store.directory import Known
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import Steps
from appliance.hub.store.uploads import Upload
from appliance.web.pages.words import RESOLUTIONS

STATUSES = {"open": ("new", "acknowledged"), "resolved": ("resolved",), "all": ()}
GRAVE = list(words.SEVERITIES)


class AlertView(msgspec.Struct, frozen=True):
    """``step``: new | wished | sent | refused | acknowledged | resolved, and ``story`` in words. ``history``:
    what the box says became of it."""

    row: SeenAlert
    severity: str
    box_name: str
    camera: str
    camera_id: str
    zone: str
    event_path: str
    title: str
    still: Upload | None
    step: str
    story: str
    history: str
    notes: tuple[str, ...]


class Looked(msgspec.Struct, frozen=True):
    """What is known of some alerts."""

    alerts: list[SeenAlert]
    orders: dict[tuple[str, str], AckOrder]
    events: dict[tuple[str, str], str]
    files: dict[tuple[str, str], list[Upload]]
    known: Known


async def alert_list(asked: Asked) -> str:
    user_id, status, severity = asked.user_id, asked.one("status") or "open", asked.one("severity")
    status = status if status in STATUSES else "open"
    wanted = AlertFilter(
        site_ids=asked.several("site"),
        box_ids=asked.several("box"),
        statuses=STATUSES[status],
        severities=(severity,) if severity in words.SEVERITIES else (),
    )

    def look() -> Steps[tuple[Looked, str | None, list[Site]]]:
        found, more = yield from alerts.page(user_id, wanted, PER_PAGE, asked.cursor())
        looked = yield from about(user_id, found)
        return looked, more, (yield from fleet_list.some_sites(user_id))

    looked, more, all_sites = await asked.hub.store.read(look)
    shown = [alert_view(alert, looked, asked.now_ns) for alert in looked.alerts]
    if status == "open" and more is None and asked.cursor() is None:
        # What nobody has seen yet stands first, the gravest on top.
        shown.sort(key=lambda a: (a.step != "new", GRAVE.index(a.severity) if a.step == "new" else 0))
    return asked.page(
        "alerts.html",
        "alerts",
        "Alerts",
        alerts=shown,
        status=status,
        severity=severity,
        site=asked.one("site"),
        sites=all_sites,
        older=None if more is None else asked.further(more),
    )


def about(user_id: str, found: list[SeenAlert]) -> Steps[Looked]:
    """What a page says of ``found``."""
    told = [(alert.box_id, event_of(alert)) for alert in found]
    events = yield from alerts_list.event_bodies(user_id, told)
    things = {
        (alert.box_id, words.shown(words.object_of(alert.body).get("camera_id"), 64)) for alert in found
    }
    for (box_id, _), body in events.items():
        things.add((box_id, words.shown(words.object_of(body).get("zone_id"), 64)))
    orders = yield from alerts_list.ack_orders(user_id, [(alert.box_id, alert.id) for alert in found])
    files = yield from clips.of_events(user_id, told)
    return Looked(found, orders, events, files, (yield from directory.known(user_id, things)))


def event_of(alert: SeenAlert) -> str:
    return words.shown(words.object_of(alert.body).get("event_id"), 64)


def alert_view(alert: SeenAlert, looked: Looked, now_ns: int) -> AlertView:
    body, event_id = words.object_of(alert.body), event_of(alert)
    event, known = looked.events.get((alert.box_id, event_id)), looked.known
    camera_id = words.shown(body.get("camera_id"), 80)
    stills = [
        f for f in looked.files.get((alert.box_id, event_id), []) if f.kind == "still" and f.received_bytes
    ]
    step, story = _travelled(alert, looked.orders.get((alert.box_id, alert.id)), now_ns)
    notes = body.get("notes")
    return AlertView(
        alert,
        alert.severity if alert.severity in words.SEVERITIES else "info",
        words.shown(alert.box_name, 80) or alert.box_id,
        called(known, alert.box_id, "camera", camera_id),
        camera_id,
        time_zone(known, alert.box_id),
        "" if event is None else f"/events/{alert.box_id}/{event_id}",
        "Its event has not arrived yet" if event is None else _title(known, alert.box_id, event),
        stills[0] if stills else None,
        step,
        story,
        _history(body),
        tuple(words.shown(note, 300) for note in notes[-5:]) if isinstance(notes, list) else (),
    )


def _title(known: Known, box_id: str, event: str) -> str:
    body = words.object_of(event)
    return words.event_title(body, known.name(box_id, "zone", words.shown(body.get("zone_id"), 64)))


def _history(body: Mapping[str, object]) -> str:
    """Who did what at the box, with times as RFC 3339: the template reads them in the site's zone."""
    told = []
    for done, what in (("acknowledged", "Acknowledged"), ("resolved", "Resolved")):
        by, at = words.shown(body.get(f"{done}_by"), 60), words.shown(body.get(f"{done}_at"), 40)
        if by or at:
            told.append(f"{what}{f' by {by}' if by else ''}{f' at {at}' if at else ''}")
    resolution = RESOLUTIONS.get(words.shown(body.get("resolution"), 40))
    return ". ".join(told) + (f": {resolution.lower()}." if told and resolution else "." if told else "")


def _travelled(alert: SeenAlert, order: AckOrder | None, now_ns: int) -> tuple[str, str]:
    """Acknowledged is what the box says; until then it is a wish, and where that stands."""
    if alert.status != "new":
        return alert.status, ""
    if alert.wish_ns is None:
        return "new", ""
    by = words.shown(alert.wish_by, 60) or "somebody"
    if order is None:
        return "wished", f"{by} acknowledged it here; the box has not been told yet"
    if order.state in ("refused", "failed"):
        return "refused", f"the box refused: {words.shown(order.message, 200)}"
    if order.state == "waiting" and order.expires_ns <= now_ns:
        return "refused", "the box did not fetch it in time"
    if order.state == "waiting":
        return "sent", f"{by} acknowledged it here; it is on its way to the box"
    return "sent", f"{by} acknowledged it here; the box has taken it, its own word is on its way"


PAGES = (("/alerts", alert_list),)
