"""The law of reconciliation over the real outbox: what the hub lost is owed again, and D6 always holds."""

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from appliance.base.clock import ManualClock
from appliance.store import delivered, migrations, outbox, targets
from appliance.store.database import Database
from appliance.store.targets import Target
from appliance.sync.targets.hub.journal import StoredJournal
from appliance.sync.targets.hub.link import Silence

DAY_S = 86_400
KINDS = ("event", "alert", "ledger")


class Box:
    """A database with one hub for a target, and the sender's moves by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.db = Database.open(
            folder / "a.db", "appliance", synchronous="NORMAL", migrations=migrations.APPLIANCE
        )
        target = Target("hub", "http://127.0.0.1:1", "hub")
        self.db.write_now(lambda conn: targets.put(conn, target, None))
        self.journal = StoredJournal(self.db, "hub", self.clock)

    def owe(self, id_: str, kind: str, day: int) -> None:
        created_ns = self.clock.now_ns() + day * DAY_S * 1_000_000_000
        self.db.write_now(lambda conn: outbox.enqueue(conn, ["hub"], id_, kind, b"{}", created_ns))

    async def deliver(self, target) -> None:
        """Until nothing waits any more."""
        now_ns = self.clock.now_ns()
        while rows := self.db.write_now(lambda conn: outbox.take(conn, "hub", 7, now_ns)):
            verdict = await target.put(rows)
            assert verdict.kind == "delivered"
            self.db.write_now(
                lambda conn, ids=verdict.acknowledged: outbox.acknowledge(
                    conn, "hub", ids, now_ns, journal=True
                )
            )

    async def waiting(self) -> int:
        return sum(each.waiting for each in (await self.journal.figures()).values())

    async def balance(self) -> None:
        for each in (await self.journal.figures()).values():
            gone = each.acknowledged + each.tombstoned
            assert each.owed == gone + each.waiting + each.in_flight + each.parked


rows = st.dictionaries(
    st.integers(0, 99).map(lambda n: f"r-{n:02}"), st.tuples(st.sampled_from(KINDS), st.integers(0, 2)),
    min_size=1, max_size=30,
)  # fmt: skip


@rules(max_examples=25)
@given(
    rows,
    st.sets(st.integers(0, 99).map(lambda n: f"r-{n:02}")),
    st.lists(st.sampled_from(["status:500", "ok"])),
)
def test_what_the_hub_lost_is_owed_again_and_the_books_balance(bench, owed, lost, troubles) -> None:
    async def attempt(folder: Path) -> None:
        box = Box(folder)
        async with bench.served(bench.Hub()) as hub:
            target = bench.target(hub.url, box.journal)
            for id_, (kind, day) in owed.items():
                box.owe(id_, kind, day)
            await box.deliver(target)
            assert await box.journal.acknowledged() == len(hub.rows) == len(owed)
            assert {(b.kind, b.day): (b.count, b.digest) for b in await box.journal.buckets()} == {
                (b.kind, b.day): (b.count, b.digest) for b in (await target.reconciler.counts()).buckets
            }
            for id_ in lost & owed.keys():
                del hub.rows[id_]
            hub.script["missing"] = list(troubles)
            for _ in range(len(troubles) + 1):
                try:
                    await target.reconciler.once()
                    break
                except Silence:
                    await box.balance()
            assert await box.waiting() == len(lost & owed.keys())
            assert await box.journal.acknowledged() == len(owed) - len(lost & owed.keys())
            await box.balance()
            before = Counter(hub.seen)["batch"]
            await box.deliver(target)
            assert hub.rows.keys() == owed.keys()
            assert (Counter(hub.seen)["batch"] > before) == bool(lost & owed.keys())
            assert await target.reconciler.once() == 0
            await box.balance()
            await target.close()
        box.db.close()

    with TemporaryDirectory() as folder:
        asyncio.run(attempt(Path(folder)))


async def test_more_than_a_page_of_one_day(tmp_path, bench, hub) -> None:
    box = Box(tmp_path)
    ids = [f"r-{number:04}" for number in range(2_500)]
    now_ns = box.clock.now_ns()

    def work(conn) -> None:
        for id_ in ids:
            outbox.enqueue(conn, ["hub"], id_, "event", b"{}", now_ns)
        outbox.take(conn, "hub", len(ids), now_ns)
        outbox.acknowledge(conn, "hub", ids, now_ns, journal=True)

    box.db.write_now(work)
    target = bench.target(hub.url, box.journal)
    assert await target.reconciler.once() == 2_500
    assert [len(asked) for asked in hub.asked] == [1_000, 1_000, 500]
    assert box.db.read_now(lambda conn: delivered.acknowledged(conn, "hub")) == 0
    await target.close()
    box.db.close()
