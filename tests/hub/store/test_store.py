"""The contract of the store, over both databases; and what only PostgreSQL has: months, other instances."""

import asyncio
import itertools
import logging
import random
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS, ManualClock
from appliance.base.errors import ApplianceError
from appliance.hub.running import Places, open_store
from appliance.hub.store import boxes, received, sites, uploads
from appliance.hub.store.migrations import scripts
from appliance.hub.store.months import months
from appliance.hub.store.received import Receipt
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import every, insert, lock, one, run
from appliance.sync.protocol.counts import digest

DAY_NS = 86_400 * SECOND_NS
KINDS = ["event", "alert", "clip", "tombstone"]


@pytest.fixture
async def store(places: Places, clock: ManualClock):
    places.data_dir.mkdir()
    store = await open_store(places, clock.now_ns())
    yield store
    await store.close()


async def test_a_transaction_is_all_or_nothing(store):
    def half():
        yield from sites.put(Site("a", "A"))
        raise ApplianceError("conflict", "in the middle", "")

    with pytest.raises(ApplianceError):
        await store.write(half)
    assert await store.read(sites.ids) == set()

    def broken():
        yield from sites.put(Site("a", "A"))
        yield from run("INSERT INTO user_sites (user_id, site_id) VALUES ('nobody', 'a')")

    with pytest.raises(ApplianceError) as caught:
        await store.write(broken)
    assert caught.value.kind == "conflict"
    assert await store.read(sites.ids) == set()


async def test_what_is_committed_is_on_disk(store):
    if store.kind == "sqlite":
        rows = await store.write(lambda: every("PRAGMA synchronous"))
        assert rows[0]["synchronous"] == 2  # FULL
    else:
        rows = await store.write(lambda: every("SHOW synchronous_commit"))
        assert rows[0]["synchronous_commit"] == "on"


async def test_a_read_writes_nothing(store):
    with pytest.raises(ApplianceError):
        await store.read(lambda: sites.put(Site("a", "A")))
    assert await store.read(sites.ids) == set()


async def test_an_insert_of_many_tells_which_were_new(store):
    columns = {"prefix": "text", "since_ns": "bigint"}
    for names, new in ((["a", "b"], {"a", "b"}), (["b", "c", "c"], {"c"}), ([], set())):
        values = [(name, 5) for name in names]
        said = await store.write(lambda v=values: insert("garbage", columns, v, "prefix"))
        assert set(said) == new and len(said) == len(new)


async def test_a_statement_s_words_are_never_a_value_s(store):
    evil = "'; DROP TABLE sites; --"
    await store.write(lambda: sites.put(Site("a", evil)))
    row = await store.read(lambda: one("SELECT name FROM sites WHERE name IN EACH($1)", f'["{evil}"]'))
    assert row["name"] == evil


async def test_the_sums_are_those_of_the_journal_whatever_comes_how_often(store):
    rng = random.Random(5)
    receipts = [Receipt(f"r{n}", rng.choice(KINDS), rng.randrange(5) * DAY_NS) for n in range(300)]

    async def send():
        for _ in range(5):
            part = rng.sample(receipts, 60)
            await store.write(lambda p=part: received.add("box", p))

    await asyncio.gather(*(send() for _ in range(4)))
    await store.write(lambda: received.add("box", receipts))
    sums = await store.read(lambda: received.buckets("box"))
    assert sums == await store.read(lambda: received.recounted("box"))
    assert sum(bucket.digest for bucket in sums) == sum(digest(receipt.id) for receipt in receipts)
    assert await store.read(lambda: received.count("box")) == 300
    assert await store.read(lambda: received.count("another")) == 0


async def test_addresses_of_the_tunnel_are_given_once_also_to_many_at_once(store):
    for number in range(12):
        await store.write(
            lambda n=number: boxes.enrol(f"b{n}", "B", None, "1", b"%d" % n, "key", "tunnel", 5)
        )

    def allot(box_id):
        number = yield from boxes.allot(box_id, 2, 11)
        if number is not None:
            yield from boxes.set_tunnel(box_id, number, f"10.0.0.{number}", None)
        return number

    found = await asyncio.gather(*(store.write(lambda n=n: allot(f"b{n}")) for n in range(12)))
    assert sorted(n for n in found if n is not None) == list(range(2, 12))
    assert found.count(None) == 2
    assert await store.write(lambda: allot("b0")) == found[0]


async def test_a_database_that_is_opened_again_is_as_it_was(places, clock):
    places.data_dir.mkdir()
    for _ in range(2):
        store = await open_store(places, clock.now_ns())
        await store.write(lambda: sites.put(Site("a", "A")))
        assert await store.read(sites.ids) == {"a"}
        rows = await store.read(lambda: every("SELECT number FROM migrations"))
        assert [row["number"] for row in rows] == [number for number, _ in scripts("sqlite")]
        await store.close()
        await store.close()


async def test_a_hub_of_old_keeps_its_boxes_and_takes_the_last_enrolment_for_the_first(
    places, clock, monkeypatch
):
    old = [(number, script) for number, script in scripts("sqlite") if number <= 3]
    monkeypatch.setattr("appliance.hub.store.sqlite.scripts", lambda dialect: old)
    places = msgspec.structs.replace(places, database=None)  # the other one's tables are shared by all tests
    places.data_dir.mkdir()
    store = await open_store(places, clock.now_ns())
    columns = (
        "id, name, tags, enrolled_ns, identity_key, tunnel_key, version, clock_offset_ns, parked, waiting"
    )
    columns += ", alerts_open, alerts_critical, status, presence, presence_ns"
    values = "'old', 'Old', '[]', 77, 'k', '', '1', 0, 0, 0, 0, 0, 'ok', 'online', 77"
    await store.write(lambda: run(f"INSERT INTO boxes ({columns}) VALUES ({values})"))
    await store.close()
    monkeypatch.undo()
    store = await open_store(places, clock.now_ns())
    (row,) = await store.read(lambda: every("SELECT first_enrolled_ns, directory, told_zone FROM boxes"))
    assert dict(row) == {"first_enrolled_ns": 77, "directory": "", "told_zone": ""}
    await store.write(lambda: boxes.enrol("old", "Old", None, "2", b"h", "k", "", 99))
    (row,) = await store.read(lambda: every("SELECT first_enrolled_ns, enrolled_ns FROM boxes"))
    assert dict(row) == {"first_enrolled_ns": 77, "enrolled_ns": 99}
    await store.close()


async def test_garbage_is_kept_until_it_has_rested(store):
    await store.write(lambda: uploads.add_garbage("chunks/a/b/c/", 100))
    assert await store.read(lambda: uploads.garbage(100)) == []
    assert await store.read(lambda: uploads.garbage(101)) == ["chunks/a/b/c/"]
    await store.write(lambda: uploads.garbage_is_gone("chunks/a/b/c/"))
    assert await store.read(lambda: uploads.garbage(101)) == []


@pytest.mark.parametrize("places", ["served"], indirect=True)
async def test_rows_lie_in_the_partition_of_their_month_and_the_rest_elsewhere(store, clock):
    now_ns = clock.now_ns()

    async def put(id_, created_ns):
        columns = ("box_id", "id", "kind", "body", "camera_id", "type", "severity")
        numbers = (
            "created_ns",
            "arrived_ns",
            "clock_offset_ns",
            "clock_off",
            "shown_ns",
            "by_hub",
            "start_ns",
        )
        kinds = dict.fromkeys(columns, "text") | dict.fromkeys(numbers, "bigint")
        values = ("b", id_, "event", "{}", "", "", "", created_ns, 0, 0, 0, 0, 0, 0)
        await store.write(lambda: insert("rows", kinds, [values], "id"))

    async def places_of():
        rows = await store.read(lambda: every("SELECT id, tableoid::regclass::text AS part FROM rows"))
        return {row["id"]: row["part"] for row in rows}

    soon_ns = now_ns + 100 * DAY_NS  # after the months that are ready
    await put("now", now_ns)
    await put("soon", soon_ns)
    await put("past", now_ns - 3652 * DAY_NS)
    month = datetime.fromtimestamp(now_ns // SECOND_NS, UTC).strftime("rows_%Y_%m")
    assert await places_of() == {"now": month, "soon": "rows_rest", "past": "rows_rest"}
    await asyncio.gather(*(store.tend(soon_ns) for _ in range(3)))  # instances whose month has come
    later = datetime.fromtimestamp(soon_ns // SECOND_NS, UTC).strftime("rows_%Y_%m")
    assert await places_of() == {"now": month, "soon": later, "past": "rows_rest"}
    plan = await store.read(
        lambda: every(
            "EXPLAIN SELECT * FROM rows WHERE kind = 'event' ORDER BY shown_ns DESC, id DESC LIMIT 5"
        )
    )
    assert plan


@given(st.integers(0, (1 << 62) - 1))
def test_months_tile_time_without_hole(now_ns):
    found = months(now_ns)
    assert all(a[2] == b[1] for a, b in itertools.pairwise(found))
    assert found[0][1] < now_ns < found[-1][1]
    assert len({name for name, _, _ in found}) == len(found)


@pytest.mark.parametrize("places", ["served"], indirect=True)
async def test_a_transaction_that_was_ended_for_a_deadlock_runs_again(store):
    await store.write(lambda: sites.put(Site("a", "A")))
    await store.write(lambda: sites.put(Site("b", "B")))
    both = asyncio.Barrier(2)
    tries = 0

    def rename(first, second):
        nonlocal tries
        tries += 1
        yield from sites.put(Site(first, f"{first}{second}"))
        yield from run("SELECT pg_sleep(0.3)")
        yield from sites.put(Site(second, f"{second}{first}"))

    async def one_of(first, second):
        async with both:
            pass
        await store.write(lambda: rename(first, second))

    await asyncio.gather(one_of("a", "b"), one_of("b", "a"))
    assert tries == 3


@pytest.mark.parametrize("places", ["served"], indirect=True)
async def test_a_lock_is_held_until_the_end_whoever_asks(store):
    order = []

    def hold(name):
        yield from lock("one thing")
        order.append(f"{name} has it")
        yield from run("SELECT pg_sleep(0.05)")
        order.append(f"{name} lets go")

    await asyncio.gather(*(store.write(lambda n=n: hold(n)) for n in "abc"))
    assert all(order[n][0] == order[n + 1][0] for n in (0, 2, 4))


@pytest.mark.parametrize(
    "url", ["mysql://host/x", "postgresql://u:secret@host/x", "postgresql://host/x?password=secret"]
)
async def test_an_address_with_a_password_is_refused_without_repeating_it(url, tmp_path):
    with pytest.raises(ApplianceError) as caught:
        await open_store(Places(tmp_path, url), 0)
    assert caught.value.kind == "invalid" and "secret" not in str(caught.value)


async def test_a_database_that_is_away_is_unavailable(tmp_path):
    with pytest.raises(ApplianceError) as caught:
        await open_store(Places(tmp_path, "postgresql://hub@127.0.0.1:9/x"), 0)
    assert caught.value.kind == "unavailable"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.integers(0, 20), max_size=12), max_size=6))
def test_digests_add_up_for_any_batches(embedded, batches):
    async def play(served, box, id_):
        for batch in batches:
            ids = [Receipt(f"{id_}-{n}", "event", 0) for n in dict.fromkeys(batch)]
            await served.hub.store.write(lambda r=ids: received.add(id_, r))
        distinct = {f"{id_}-{n}" for batch in batches for n in batch}
        sums = await served.hub.store.read(lambda: received.buckets(id_))
        assert sum(b.count for b in sums) == len(distinct)
        assert sum(b.digest for b in sums) == sum(map(digest, distinct))

    embedded(play)


async def test_what_the_pool_says_of_a_database_that_is_away_is_one_line(caplog, tmp_path):
    with pytest.raises(ApplianceError):
        await open_store(Places(tmp_path, "postgresql://hub@127.0.0.1:9/x"), 0)
    pool = logging.getLogger("asyncpg.pool")
    try:
        raise ConnectionRefusedError("secret words")
    except OSError:
        pool.warning("Failed to restore the pool; %s", "retrying", exc_info=True)
    (record,) = [record for record in caplog.records if record.name == "asyncpg.pool"]
    assert record.exc_info is None and "the database is away" in record.getMessage()
    assert "secret" not in caplog.text and "Traceback" not in caplog.text
