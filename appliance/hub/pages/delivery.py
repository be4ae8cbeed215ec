"""Figures of delivery of all boxes, both ends beside each other."""

import msgspec

from appliance.hub.pages.asked import PER_PAGE, Asked
from appliance.hub.pages.seen import BoxView, Delivery, box_view, deliveries, total
from appliance.hub.store import fleet, fleet_list
from appliance.hub.store.fleet import FleetBox
from appliance.hub.store.steps import Steps


class Line(msgspec.Struct, frozen=True):
    """One box, all kinds together. ``wrong``: kinds whose figures do not add up (D6)."""

    box: BoxView
    sum: Delivery
    wrong: tuple[str, ...]


async def delivery_page(asked: Asked) -> str:
    user_id, place = asked.user_id, None

    def look() -> Steps[tuple[list[FleetBox], str | None, dict[str, int]]]:
        found, more = yield from fleet.page(
            user_id, PER_PAGE, asked.cursor(), place=place, search=asked.one("q", 100)
        )
        return found, more, (yield from fleet_list.held(user_id, [row.id for row in found]))

    found, more, held = await asked.hub.store.read(look)
    return asked.page(
        "delivery.html",
        "delivery",
        "Delivery",
        lines=[line_of(box_view(row), held.get(row.id, 0)) for row in found],
        search=asked.one("q", 100),
        older=None if more is None else asked.further(more),
    )


def line_of(box: BoxView, held: int) -> Line:
    kinds = deliveries(box.beat, {})
    together = total(kinds)
    wrong = tuple(kind.kind for kind in kinds if not kind.adds_up)
    return Line(box, msgspec.structs.replace(together, held=held), wrong)


PAGES = (("/delivery", delivery_page),)
