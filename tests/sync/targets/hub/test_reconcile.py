"""What the hub acknowledged and lost is owed again: exactly that, however often it is interrupted."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.sync.protocol.batch import Row
from appliance.sync.protocol.counts import MOST_ASKED
from appliance.sync.targets.hub.link import Silence
from appliance.sync.targets.hub.reconcile import EVERY_S

DAYS = ("2026-01-19", "2026-01-20", "2026-01-21")
KINDS = ("event", "alert", "clip", "tombstone")
where = st.tuples(st.sampled_from(KINDS), st.sampled_from(DAYS))
trouble = st.sampled_from(["ok", "ok", "ok", "status:500", "cut:0", "garbage", "lost", "stranger"])


def have(hub, journal, id_: str, kind: str, day: str) -> None:
    hub.rows[id_] = Row(id_, kind, f"{day}T12:00:00.000Z", b"{}")
    journal.put(id_, kind, day)


@settings(max_examples=60)
@given(
    held=st.dictionaries(st.integers(0, 400).map(lambda n: f"r-{n:04}"), where, max_size=60),
    lost=st.sets(st.integers(0, 400).map(lambda n: f"r-{n:04}")),
    beyond=st.dictionaries(st.integers(500, 520).map(lambda n: f"r-{n:04}"), where, max_size=3),
    troubles=st.lists(trouble, max_size=12),
    page=st.integers(1, 20),
)
def test_any_subset_that_is_lost_is_owed_again_and_nothing_else(
    bench, held, lost, beyond, troubles, page
) -> None:
    async def attempt() -> None:
        journal = bench.Memory()
        journal.page = page
        async with bench.served(bench.Hub()) as hub:
            for id_, (kind, day) in held.items():
                have(hub, journal, id_, kind, day)
            for id_, (kind, day) in beyond.items():  # the hub has them, and the answer got lost
                hub.rows[id_] = Row(id_, kind, f"{day}T12:00:00.000Z", b"{}")
            for id_ in lost & held.keys():
                del hub.rows[id_]
            hub.script["counts"] = troubles[::2]
            hub.script["missing"] = troubles[1::2]
            for _ in range(len(troubles) + 1):
                target = bench.target(hub.url, journal)  # each time as after a restart
                try:
                    await target.reconciler.once()
                    break
                except Silence:
                    continue
                finally:
                    await target.close()
            assert sorted(journal.owed) == sorted(lost & held.keys())
            assert journal.rows.keys() == held.keys() - lost

    asyncio.run(attempt())


async def test_an_id_that_was_not_asked_for_is_not_owed_again(hub, bench) -> None:
    journal = bench.Memory()
    for id_, day in (("a", DAYS[0]), ("b", DAYS[0]), ("never-asked", DAYS[1])):
        have(hub, journal, id_, "event", day)
    del hub.rows["a"]
    hub.script["missing"] = ["stranger"]
    target = bench.target(hub.url, journal)
    assert await target.reconciler.once() == 1
    assert journal.owed == ["a"]
    await target.close()


async def test_where_nothing_is_lost_nothing_is_asked(hub, bench) -> None:
    journal = bench.Memory()
    target = bench.target(hub.url, journal)
    for number in range(3000):
        have(hub, journal, f"r-{number}", "event", DAYS[number % 3])
    assert await target.reconciler.once() == 0
    assert hub.seen == ["counts"]
    await target.close()


async def test_a_row_on_its_way_costs_no_question(hub, bench) -> None:
    """The hub has it, and our journal learns of it between the first look and the second."""
    journal = bench.Memory()
    have(hub, journal, "old", "event", DAYS[0])
    have(hub, journal, "new", "event", DAYS[0])
    del journal.rows["new"]
    target = bench.target(hub.url, journal)
    real = journal.buckets

    async def buckets():
        found = await real()
        journal.put("new", "event", DAYS[0])
        return found

    journal.buckets = buckets
    assert await target.reconciler.once() == 0
    assert hub.seen == ["counts", "counts"]
    await target.close()


async def test_only_pages_of_days_that_differ_are_asked(hub, bench) -> None:
    journal, woken = bench.Memory(), []
    target = bench.target(hub.url, journal, wake=lambda: woken.append(len(journal.owed)))
    for number in range(4000):
        have(hub, journal, f"r-{number:04}", "event", DAYS[number % 2])
    for number in range(1, 2001, 200):
        del hub.rows[f"r-{number:04}"]
    assert await target.reconciler.once() == 10
    assert [len(ids) for ids in hub.asked] == [MOST_ASKED, MOST_ASKED]
    assert woken[0] > 0
    assert await target.reconciler.once() == 0
    await target.close()


async def test_at_the_start_each_hour_when_asked_and_again_after_silence(hub, bench, clock) -> None:
    journal = bench.Memory()
    have(hub, journal, "a", "event", DAYS[0])
    target = bench.target(hub.url, journal, clock=clock)
    task = asyncio.create_task(target.reconciler.run())

    async def passes(count: int, tick_s: float) -> None:
        while hub.seen.count("counts") < count:
            clock.tick(tick_s)
            await asyncio.sleep(0.002)

    await passes(1, 0)
    target.reconciler.ask()
    await passes(2, 0)
    hub.script["counts"] = ["status:500", "garbage"]
    began_ns = clock.monotonic_ns()
    await passes(3, EVERY_S / 20)
    assert (clock.monotonic_ns() - began_ns) / 1e9 >= EVERY_S
    began_ns = clock.monotonic_ns()
    await passes(5, 0.1)  # in some seconds, not in an hour
    assert (clock.monotonic_ns() - began_ns) / 1e9 < 60
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await target.close()


@pytest.mark.parametrize("answer", ["garbage:{}", "garbage:[1]", "huge", "status:404"])
async def test_a_hub_that_answers_nonsense_loses_nothing(hub, bench, answer) -> None:
    journal = bench.Memory()
    have(hub, journal, "a", "event", DAYS[0])
    del hub.rows["a"]
    target = bench.target(hub.url, journal)
    hub.script["missing"] = [answer]
    with pytest.raises(Silence):
        await target.reconciler.once()
    assert journal.owed == []
    await target.close()
