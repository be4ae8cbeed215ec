"""A page of events is what the filter says, whichever walk found it."""

import random

import pytest

from appliance.base.clock import SECOND_NS
from appliance.hub.running import open_store
from appliance.hub.store import boxes, events, rows, users
from appliance.hub.store.events import EventFilter
from appliance.hub.store.rows import EventFacts, NewRow
from appliance.hub.store.steps import every
from appliance.hub.store.users import Person

TYPES, SEVERITIES = ["intrusion", "line_cross", "tamper", "crowd"], ["info", "warning", "critical"]


@pytest.fixture
async def filled(places, clock):
    """(store, facts by id): 300 events of three boxes."""
    places.data_dir.mkdir()
    store = await open_store(places, clock.now_ns())
    rng, now_ns, facts = random.Random(3), clock.now_ns(), {}
    await store.write(lambda: users.put(Person("u", "u", "admin", None), "x"))
    for box_id in ("b0", "b1", "b2"):
        await store.write(lambda b=box_id: boxes.enrol(b, b, None, "1", b.encode(), "k", "t", now_ns))
        batch = []
        for n in range(100):
            id_, at_ns = f"{box_id}-{n}", now_ns - rng.randrange(60) * SECOND_NS  # many at one moment
            what = EventFacts(id_, "gate", rng.choice(TYPES), rng.choice(SEVERITIES), at_ns)
            facts[id_] = (box_id, at_ns, what)
            batch.append(NewRow(id_, "event", at_ns, "{}", False, what))
        await store.write(lambda b=box_id, r=batch: rows.take(b, r, 0, now_ns))
    yield store, facts
    await store.close()


async def test_every_filter_gives_its_events_newest_first_over_all_pages(filled, clock):
    store, facts = filled
    rng, now_ns = random.Random(4), clock.now_ns()
    for _ in range(40):
        wanted = EventFilter(
            box_ids=tuple(rng.sample(["b0", "b1", "b2", "b9"], rng.choice([0, 0, 1, 2]))),
            types=tuple(rng.choices([*TYPES, "nothing"], k=rng.randrange(4))),
            severities=tuple(rng.choices([*SEVERITIES, "odd"], k=rng.randrange(4))),
            start_ns=rng.choice([None, now_ns - 30 * SECOND_NS]),
            end_ns=rng.choice([None, now_ns - 10 * SECOND_NS]),
        )
        right = sorted(
            (
                (at_ns, id_, box_id)
                for id_, (box_id, at_ns, what) in facts.items()
                if (not wanted.box_ids or box_id in wanted.box_ids)
                and (not wanted.types or what.type in wanted.types)
                and (not wanted.severities or what.severity in wanted.severities)
                and (wanted.start_ns is None or at_ns >= wanted.start_ns)
                and (wanted.end_ns is None or at_ns < wanted.end_ns)
            ),
            reverse=True,
        )
        found, cursor = [], None
        while True:
            page, cursor = await store.read(lambda w=wanted, c=cursor: events.page("u", w, 37, c))
            found += [(event.shown_ns, event.id, event.box_id) for event in page]
            if cursor is None:
                break
            assert len(page) == 37
        assert found == right, wanted


async def test_more_values_than_there_are_walks_is_no_error(filled):
    store, facts = filled
    wanted = EventFilter(types=(*(f"t{n}" for n in range(60)), "tamper"))
    page, _ = await store.read(lambda: events.page("u", wanted, 1_000))
    assert len(page) == sum(what.type == "tamper" for _, _, what in facts.values())


@pytest.mark.parametrize("column", ["type", "severity"])
async def test_something_rare_is_found_in_an_index_of_its_own(filled, column):
    """Without it, a page reads every event there ever was (200 000 of them: 0.4 s)."""
    store, _ = filled
    if store.kind != "sqlite":
        pytest.skip("PostgreSQL walks a table of so few rows as it likes")
    plan = await store.read(
        lambda: every(
            "EXPLAIN QUERY PLAN SELECT r.body FROM rows r WHERE r.kind = 'event'"
            f" AND r.{column} = $1 ORDER BY r.shown_ns DESC, r.id DESC, r.box_id DESC LIMIT 10",
            "x",
        )
    )
    assert f"rows_{column}" in plan[0]["detail"] and len(plan) == 1  # and nothing is sorted
