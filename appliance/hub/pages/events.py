"""Events over all sites, one event, and clips: also of those that are still on their way."""

from datetime import timedelta

from appliance.base.errors import invalid, not_found
from appliance.hub.pages import words
from appliance.hub.pages.asked import PER_PAGE, Asked
from appliance.hub.pages.seen import event_view
from appliance.hub.store import clips, events, fleet, fleet_list
from appliance.hub.store.events import EventFilter, SeenEvent
from appliance.hub.store.fleet import FleetBox
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import Steps
from appliance.hub.store.uploads import Upload
from appliance.web import pages_words

Files = dict[tuple[str, str], list[Upload]]
ID = "[A-Za-z0-9_-]{1,64}"
CLIP_KINDS = ("small_clip", "clip", "sample")
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
    day = asked.one("date", 20)
    start_ns, end_ns = _day(day, asked)
    severity, class_name = asked.one("severity"), asked.one("class", 60)
    wanted = EventFilter(
        site_ids=asked.several("site"),
        box_ids=asked.several("box"),
        camera_ids=asked.several("camera"),
        types=asked.several("type"),
        severities=(severity,) if severity in words.SEVERITIES else (),
        start_ns=start_ns,
        end_ns=end_ns,
        class_name=class_name,
    )

    def look() -> Steps[tuple[list[SeenEvent], str | None, Files, list[Site]]]:
        found, more = yield from events.page(user_id, wanted, PER_PAGE, asked.cursor())
        files = yield from clips.of_events(user_id, [(event.box_id, event.id) for event in found])
        return found, more, files, (yield from fleet_list.some_sites(user_id))

    found, more, files, all_sites = await asked.hub.store.read(look)
    today = pages_words.site_now(asked.zone, asked.now_ns).date()
    return asked.page(
        "events.html",
        "events",
        "Events",
        events=[event_view(event, files.get((event.box_id, event.id), [])) for event in found],
        sites=all_sites,
        types=TYPES,
        classes=CLASSES,
        wanted=wanted,
        date=day,
        today=today.isoformat(),
        yesterday=(today - timedelta(days=1)).isoformat(),
        filtered=any(
            (
                wanted.site_ids,
                wanted.box_ids,
                wanted.camera_ids,
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

    def look() -> Steps[tuple[SeenEvent, Files, FleetBox | None] | None]:
        found = yield from events.get(user_id, box_id, event_id)
        if found is None:
            return None
        files = yield from clips.of_events(user_id, [(box_id, event_id)])
        return found, files, (yield from fleet.get(user_id, box_id))

    looked = await asked.hub.store.read(look)
    if looked is None:
        raise not_found("event", event_id)
    event = event_view(looked[0], looked[1].get((box_id, event_id), []))
    return asked.page("event.html", "events", event.title, event=event, box=looked[2], clip=best(event.clips))


async def clip_list(asked: Asked) -> str:
    user_id, state = asked.user_id, asked.one("state")
    states = (state,) if state in words.UPLOADS else ()

    def look() -> Steps[tuple[list[Upload], str | None]]:
        return clips.page(
            user_id, PER_PAGE, asked.cursor(), kinds=CLIP_KINDS, states=states, box_ids=asked.several("box")
        )

    found, more = await asked.hub.store.read(look)
    names = await asked.hub.store.read(lambda: _names(user_id, {clip.box_id for clip in found}))
    return asked.page(
        "clips.html",
        "clips",
        "Clips",
        clips=found,
        names=names,
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
    return asked.page(
        "clip.html",
        "clips",
        "Clip",
        clip=clip,
        names=names,
        event=event,
        event_title="" if event is None else words.event_title(words.object_of(event.body)),
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
    found = {}
    for box_id in sorted(box_ids):
        row = yield from fleet.get(user_id, box_id)
        if row is not None:
            found[box_id] = words.shown(row.name, 80) or box_id
    return found


def _day(date: str, asked: Asked) -> tuple[int | None, int | None]:
    if not date:
        return None, None
    try:
        return pages_words.site_day(date, asked.zone)
    except (ValueError, OverflowError):
        raise invalid(f"{date!r} is not a day", "write it as 2026-01-20", field="date") from None


PAGES = (
    ("/events", event_list),
    (f"/events/{{box:{ID}}}/{{id:{ID}}}", event_page),
    ("/clips", clip_list),
    (f"/clips/{{box:{ID}}}/{{id:{ID}}}", clip_page),
)
