"""Events over all sites, one event, and clips: also of those that are still on their way."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from appliance.base.errors import invalid, not_found
from appliance.hub.pages import words
from appliance.hub.pages.alerts import AlertView, about, alert_view
from appliance.hub.pages.asked import PER_PAGE, Asked
from appliance.hub.pages.seen import called, event_view, things_of, time_zone
from appliance.hub.store import alerts, clips, directory, events, fleet, fleet_list, sites
from appliance.hub.store.directory import Known, Named
from appliance.hub.store.events import EventFilter, SeenEvent
from appliance.hub.store.fleet import FleetBox
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import Steps
from appliance.hub.store.uploads import Upload
from appliance.web.pages import words as pages_words

Files = dict[tuple[str, str], list[Upload]]
ID = "[A-Za-z0-9_-]{1,64}"
CLIP_KINDS = ("small_clip", "clip")
TYPES = (
    "zone_enter", "zone_exit", "line_cross", "intrusion", "loitering", "crowd", "abandoned_object",
    "removed_object", "wrong_way", "absence", "occupancy", "tamper", "motion", "box_offline", "box_online",
)  # fmt: skip
CLASSES = (
    "person",
    "car",
    "truck",
    "bus",
    "motorcycle",
    "bicycle",
    "dog",
    "cat",
    "bird",
    "backpack",
    "suitcase",
)


async def event_list(asked: Asked) -> str:
    user_id = asked.user_id
    box_ids, day, camera = asked.several("box"), asked.one("date", 20), asked.one("camera", 100)
    zone = await _zone(asked)
    start_ns, end_ns = _day(day, zone)
    severity, class_name = asked.one("severity"), asked.one("class", 60)
    wanted = EventFilter(
        site_ids=asked.several("site"),
        box_ids=box_ids,
        camera=camera,
        types=asked.several("type"),
        severities=(severity,) if severity in words.SEVERITIES else (),
        start_ns=start_ns,
        end_ns=end_ns,
        class_name=class_name,
    )

    def look() -> Steps[tuple[list[SeenEvent], str | None, Files, list[Site], Known, list[Named]]]:
        found, more = yield from events.page(user_id, wanted, PER_PAGE, asked.cursor())
        files = yield from clips.of_events(user_id, [(event.box_id, event.id) for event in found])
        known = yield from directory.known(user_id, things_of(found))
        named = (yield from directory.of_box(user_id, box_ids[0])) if len(box_ids) == 1 else []
        return found, more, files, (yield from fleet_list.some_sites(user_id)), known, named

    found, more, files, all_sites, known, named = await asked.hub.store.read(look)
    today = pages_words.site_now(zone, asked.now_ns).date()
    return asked.page(
        "events.html",
        "events",
        "Events",
        events=[event_view(event, files.get((event.box_id, event.id), []), known) for event in found],
        sites=all_sites,
        types=TYPES,
        classes=CLASSES,
        wanted=wanted,
        cameras=[(each.id, words.shown(each.name, 60)) for each in named if each.what == "camera"],
        box_name=found[0].box_name if found and box_ids else "",
        date=day,
        day_zone="" if zone == asked.zone else zone.key,
        today=today.isoformat(),
        yesterday=(today - timedelta(days=1)).isoformat(),
        filtered=any(
            (
                wanted.site_ids,
                wanted.box_ids,
                camera,
                wanted.types,
                wanted.severities,
                day,
                class_name,
            )
        ),
        older=None if more is None else asked.further(more),
    )


async def event_page(asked: Asked) -> str:
    """Raises ``not_found``, also for an event of a site that this person may not see."""
    user_id = asked.user_id
    box_id, event_id = asked.request.match_info["box"], asked.request.match_info["id"]

    def look() -> Steps[tuple[SeenEvent, Files, FleetBox | None, list[AlertView], Known] | None]:
        found = yield from events.get(user_id, box_id, event_id)
        if found is None:
            return None
        files = yield from clips.of_events(user_id, [(box_id, event_id)])
        raised = yield from about(user_id, (yield from alerts.of_event(user_id, box_id, event_id)))
        shown = [alert_view(alert, raised, asked.now_ns) for alert in raised.alerts]
        known = yield from directory.known(user_id, things_of([found]))
        return found, files, (yield from fleet.get(user_id, box_id)), shown, known

    looked = await asked.hub.store.read(look)
    if looked is None:
        raise not_found("event", event_id)
    found, files, box, raised, known = looked
    event = event_view(found, files.get((box_id, event_id), []), known)
    return asked.page(
        "event.html", "events", event.title, event=event, box=box, alerts=raised, clip=best(event.clips)
    )


async def clip_list(asked: Asked) -> str:
    user_id, state = asked.user_id, asked.one("state")
    states = (state,) if state in words.UPLOADS else ()

    def look() -> Steps[tuple[list[Upload], str | None]]:
        return clips.page(
            user_id, PER_PAGE, asked.cursor(), kinds=CLIP_KINDS, states=states, box_ids=asked.several("box")
        )

    found, more = await asked.hub.store.read(look)
    names = await asked.hub.store.read(lambda: _names(user_id, {clip.box_id for clip in found}))
    known = await asked.hub.store.read(
        lambda: directory.known(user_id, [(clip.box_id, clip.camera_id) for clip in found])
    )
    return asked.page(
        "clips.html",
        "clips",
        "Clips",
        clips=found,
        names=names,
        camera_of=lambda clip: called(known, clip.box_id, "camera", words.shown(clip.camera_id, 60)),
        zone_at=lambda box_id: time_zone(known, box_id),
        state=state if states else "",
        older=None if more is None else asked.further(more),
    )


async def clip_page(asked: Asked) -> str:
    user_id = asked.user_id
    box_id, clip_id = asked.request.match_info["box"], asked.request.match_info["id"]
    clip = await asked.hub.store.read(lambda: clips.get(user_id, box_id, clip_id))
    if clip is None:
        raise not_found("clip", clip_id)
    names = await asked.hub.store.read(lambda: _names(user_id, {box_id}))
    event = None
    if clip.event_id:
        event = await asked.hub.store.read(lambda: events.get(user_id, box_id, clip.event_id))
    things = {(box_id, clip.camera_id)} | (set() if event is None else things_of([event]))
    known = await asked.hub.store.read(lambda: directory.known(user_id, things))
    return asked.page(
        "clip.html",
        "clips",
        "Clip",
        clip=clip,
        names=names,
        event=event,
        camera=called(known, box_id, "camera", words.shown(clip.camera_id, 60)),
        zone=time_zone(known, box_id),
        event_title="" if event is None else event_view(event, [], known).title,
    )


def best(found: tuple[Upload, ...]) -> Upload | None:
    """The one to play: full and complete before small and complete before whatever has begun to arrive."""
    playable = [clip for clip in found if clip.received_bytes]
    return max(
        playable,
        key=lambda clip: (clip.state == "complete", clip.kind == "clip", clip.received_bytes),
        default=None,
    )


def _names(user_id: str, box_ids: set[str]) -> Steps[dict[str, str]]:
    found = yield from directory.box_names(user_id, box_ids)
    return {box_id: words.shown(name, 80) or box_id for box_id, name in found.items()}


async def _zone(asked: Asked) -> ZoneInfo:
    """Whose days are meant: the site's, where one site or one box is asked for; else the reader's."""
    box_ids, site_ids, user_id = asked.several("box"), asked.several("site"), asked.user_id
    found = ""
    if len(box_ids) == 1:
        known = await asked.hub.store.read(lambda: directory.known(user_id, [(box_ids[0], "")]))
        found = time_zone(known, box_ids[0])
    elif len(site_ids) == 1:
        seen = await asked.hub.store.read(lambda: sites.seen_by(user_id))
        chosen = next((site.time_zone for site in seen if site.id == site_ids[0]), "")
        found = words.zone_or_none(directory.zone_of(chosen, ""))
    return asked.at(found)


def _day(date: str, zone: ZoneInfo) -> tuple[int | None, int | None]:
    if not date:
        return None, None
    try:
        return pages_words.site_day(date, zone)
    except (ValueError, OverflowError):
        raise invalid(f"{date!r} is not a day", "write it as 2026-01-20", field="date") from None


PAGES = (
    ("/events", event_list),
    (f"/events/{{box:{ID}}}/{{id:{ID}}}", event_page),
    ("/clips", clip_list),
    (f"/clips/{{box:{ID}}}/{{id:{ID}}}", clip_page),
)
