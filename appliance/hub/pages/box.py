"""One box: how it is, what it delivered, what it saw last, what it is ordered."""

from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS, parse_rfc3339
from appliance.base.errors import ApplianceError, not_found
from appliance.hub import reported
from appliance.hub.pages import words
from appliance.hub.pages.asked import Asked
from appliance.hub.pages.seen import box_view, called, deliveries, event_view, named_views, things_of, total
from appliance.hub.pages.told import figures_view, recorded_view
from appliance.hub.reported import Recorded
from appliance.hub.store import clips, commands, directory, events, fleet, fleet_list, received
from appliance.hub.store.directory import Known, Named
from appliance.hub.store.events import EventFilter, SeenEvent
from appliance.hub.store.fleet import FleetBox
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import Found, Steps
from appliance.hub.store.uploads import Upload
from appliance.sync.protocol.report import MetricsReport
from appliance.web.params import LATEST_NS

LATEST = 6
MOST_COMMANDS = 20


class _Looked(msgspec.Struct, frozen=True):
    row: FleetBox
    held: dict[str, int]
    events: list[SeenEvent]
    files: dict[tuple[str, str], list[Upload]]
    clips: list[Upload]
    commands: list[Found]
    sites: list[Site]
    named: list[Named]
    known: Known
    recorded: Recorded
    figures: list[MetricsReport]


async def box_page(asked: Asked) -> str:
    """Raises ``not_found``, also for a box that this person may not see."""
    box_id, user_id = asked.request.match_info["id"], asked.user_id

    def look() -> Steps[_Looked | None]:
        row = yield from fleet.get(user_id, box_id)
        if row is None:
            return None
        latest, _ = yield from events.page(user_id, EventFilter(box_ids=(box_id,)), LATEST)
        files = yield from clips.of_events(user_id, [(event.box_id, event.id) for event in latest])
        kinds = ("small_clip", "clip")
        uploads, _ = yield from clips.page(user_id, LATEST, box_ids=(box_id,), kinds=kinds)
        orders = (yield from commands.listed_of(box_id, MOST_COMMANDS)) if asked.may("operator") else []
        held = yield from received.figures(box_id)
        all_sites = yield from fleet_list.some_sites(user_id)
        things = things_of(latest) | {(box_id, clip.camera_id) for clip in uploads}
        known = yield from directory.known(user_id, things)
        named = yield from directory.of_box(user_id, box_id)
        kept = yield from reported.recorded(box_id, asked.now_ns)
        doing = yield from reported.figures(box_id, asked.now_ns)
        return _Looked(row, held, latest, files, uploads, orders, all_sites, named, known, kept, doing)

    found = await asked.hub.store.read(look)
    if found is None:
        raise not_found("box", box_id)
    box = box_view(found.row)
    lines = deliveries(box.beat, found.held)
    known, files = found.known, found.files
    shown = [event_view(event, files.get((event.box_id, event.id), []), known) for event in found.events]
    return asked.page(
        "box.html",
        "fleet",
        box.name,
        box=box,
        lines=lines,
        total=total(lines),
        events=shown,
        named=named_views(found.named),
        heard_of=sorted(
            {event.camera_id for event in shown if event.camera_id} | {u.camera_id for u in found.clips}
        ),
        camera_of=lambda clip: called(known, clip.box_id, "camera", words.shown(clip.camera_id, 60)),
        clips=found.clips,
        commands=[order_view(row, asked.now_ns, found.named) for row in found.commands],
        sites=found.sites,
        recorded=recorded_view(found.recorded, found.named),
        machine=figures_view(found.figures),
    )


def order_view(row: Found, now_ns: int, named: list[Named]) -> dict[str, Any]:
    """One command. A waiting one whose time is over has expired: the box is not told of it any more.
    ``clip``: what is fetched, where it is one."""
    state = row["state"]
    if state == "waiting" and row["expires_ns"] <= now_ns:
        state = "expired"
    word, look = words.COMMAND_STATES.get(state, (words.code_words(state), "quiet"))
    result = words.object_of(row["result"])
    changes = result.get("changes")
    return {
        "id": row["id"],
        "kind": words.COMMANDS.get(row["kind"], words.code_words(row["kind"])),
        "code": row["kind"],
        "state": state,
        "word": word,
        "look": look,
        "by": words.shown(row["issued_by"], 60),
        "issued_ns": row["issued_ns"],
        "expires_ns": row["expires_ns"],
        "answered_ns": row["answered_ns"],
        "message": words.shown(row["message"], 300),
        "changes": [_change(line) for line in changes[:50]] if isinstance(changes, list) else [],
        "clip": _clip(row, named) if row["kind"] == "fetch_clip" else None,
        "undone_at": words.shown(result.get("undone_at"), 40),
    }


def _clip(row: Found, named: list[Named]) -> dict[str, Any] | None:
    """None where it cannot be read: programs may order what they like."""
    body = words.object_of(row["payload"]).get("body")
    body = body if isinstance(body, dict) else {}
    try:
        start_ns = parse_rfc3339(body.get("start_time", ""), "start_time")
        end_ns = parse_rfc3339(body.get("end_time", ""), "end_time")
    except (ApplianceError, TypeError, AttributeError):
        return None
    if not 0 <= start_ns <= end_ns < LATEST_NS:
        return None
    camera_id = words.shown(body.get("camera_id"), 80)
    names = {each.id: words.shown(each.name, 80) for each in named if each.what == "camera"}
    return {
        "camera": names.get(camera_id) or camera_id,
        "camera_id": camera_id,
        "start_ns": start_ns,
        "seconds": (end_ns - start_ns) / SECOND_NS,
        "stream": words.shown(body.get("stream"), 10),
    }


def _change(line: object) -> dict[str, str]:
    change = line if isinstance(line, dict) else {}
    return {
        "field": words.shown(change.get("field"), 100),
        "before": words.value(change.get("before")),
        "after": words.value(change.get("after")),
    }


PAGES = (("/boxes/{id:[A-Za-z0-9_-]{1,64}}", box_page),)
