"""One site: its boxes, its time, its latest events."""

from appliance.base.errors import not_found
from appliance.hub.pages.asked import Asked
from appliance.hub.pages.seen import box_view, event_view, things_of
from appliance.hub.store import clips, directory, events, fleet, sites
from appliance.hub.store.directory import Known
from appliance.hub.store.events import EventFilter, SeenEvent
from appliance.hub.store.fleet import FleetBox
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import Steps
from appliance.hub.store.uploads import Upload

MOST_BOXES = 200
LATEST = 12

Looked = tuple[Site, list[FleetBox], list[SeenEvent], dict[tuple[str, str], list[Upload]], Known]


async def site_page(asked: Asked) -> str:
    """Raises ``not_found``, also for a site that this person may not see."""
    site_id, user_id = asked.request.match_info["id"], asked.user_id

    def look() -> Steps[Looked | None]:
        seen = {site.id: site for site in (yield from sites.seen_by(user_id))}
        if site_id not in seen:
            return None
        boxes, _ = yield from fleet.page(user_id, MOST_BOXES, site_ids=(site_id,))
        latest, _ = yield from events.page(user_id, EventFilter(site_ids=(site_id,)), LATEST)
        files = yield from clips.of_events(user_id, [(event.box_id, event.id) for event in latest])
        known = yield from directory.known(user_id, things_of(latest))
        return seen[site_id], boxes, latest, files, known

    found = await asked.hub.store.read(look)
    if found is None:
        raise not_found("site", site_id)
    site, boxes, latest, files, known = found
    return asked.page(
        "site.html",
        "fleet",
        site.name,
        site=site,
        boxes=[box_view(row) for row in boxes],
        events=[event_view(event, files.get((event.box_id, event.id), []), known) for event in latest],
    )


PAGES = (("/sites/{id}", site_page),)
