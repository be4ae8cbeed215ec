"""The fleet, worst first; and roll-outs: which version each box has."""

from appliance.hub.pages import words
from appliance.hub.pages.asked import PER_PAGE, Asked
from appliance.hub.pages.seen import box_view
from appliance.hub.people.boxes import PLACES
from appliance.hub.store import fleet, fleet_list
from appliance.hub.store.fleet import FleetBox
from appliance.hub.store.fleet_list import SiteCount, VersionCount
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import Steps

Looked = tuple[list[FleetBox], str | None, dict[int, int], list[Site], list[str], list[SiteCount]]


MAP_CELL_DEGREES = 2.0  # where there are too many sites to tell them apart


async def fleet_page(asked: Asked) -> str:
    state = asked.one("state")
    place = PLACES.index(state) if state in PLACES else None
    search = words.shown(asked.one("q"), 100)
    tag, version, site_ids = asked.one("tag"), asked.one("version"), asked.several("site")
    wanted = {"site_ids": site_ids, "search": search, "tag": tag, "version": version}
    user_id, as_map = asked.user_id, asked.one("view") == "map"

    def look() -> Steps[Looked]:
        found, more = yield from fleet.page(
            user_id, PER_PAGE, asked.cursor(), place=place, site_ids=site_ids, search=search, tag=tag,
            version=version,
        )  # fmt: skip
        tally = yield from fleet.tally(user_id, site_ids=site_ids, search=search, tag=tag, version=version)
        all_sites = yield from fleet_list.some_sites(user_id)
        cell_degrees = 0.0001 if all_sites else MAP_CELL_DEGREES
        points = (yield from fleet_list.on_the_map(user_id, cell_degrees)) if as_map else []
        return found, more, tally, all_sites, (yield from fleet_list.tags(user_id)), points

    found, more, tally, all_sites, tags, points = await asked.hub.store.read(look)
    return asked.page(
        "fleet.html",
        "fleet",
        "Fleet",
        boxes=[box_view(row) for row in found],
        tally={PLACES[number]: count for number, count in sorted(tally.items())},
        sites=all_sites,
        tags=tags,
        points=points,
        as_map=as_map,
        state=state if place is not None else "",
        search=search,
        tag=tag,
        version_wanted=version,
        site=site_ids[0] if site_ids else "",
        filtered=any(wanted.values()) or place is not None,
        older=None if more is None else asked.further(more),
    )


async def rollouts(asked: Asked) -> str:
    user_id = asked.user_id

    def look() -> Steps[tuple[list[VersionCount], list[Site], list[str]]]:
        return (
            (yield from fleet_list.versions(user_id)),
            (yield from fleet_list.some_sites(user_id)),
            (yield from fleet_list.tags(user_id)),
        )

    versions, all_sites, tags = await asked.hub.store.read(look)
    return asked.page(
        "rollouts.html",
        "rollouts",
        "Roll-outs",
        versions=versions,
        most=max((line.boxes for line in versions), default=0),
        boxes=sum(line.boxes for line in versions),
        sites=all_sites,
        tags=tags,
    )


PAGES = (("/", fleet_page), ("/rollouts", rollouts))
