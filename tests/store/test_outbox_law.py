"""D1-D6 against real SQLite: whatever is done in whatever order, the sum holds per target and kind, the
counters are what counting would give, footage is pinned exactly as long as a row owes it, and the journal's
sums are those of what left."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from appliance.store import delivered, locks, outbox, outbox_counts, parked, tombstones
from appliance.store.database import Database
from appliance.store.owed_files import owed_file
from appliance.store.policy import FILE_KINDS, LANE_OF

DAY_NS = 86_400 * 10**9
TARGETS = ("cloud", "hub")
KINDS = ("event", "alert", "clip", "still", "metrics")
BODY = json.dumps({"n": 1}).encode()


class Row:
    def __init__(self, id_: str, kind: str, made: int, created_ns: int, due_ns: int, body: bytes) -> None:
        self.id, self.kind, self.made, self.created_ns, self.due_ns = id_, kind, made, created_ns, due_ns
        self.lane, self.state, self.buried, self.body = LANE_OF[kind], "waiting", False, body
        self.in_journal = False

    @property
    def is_file(self) -> bool:
        return self.kind in FILE_KINDS and not self.buried

    @property
    def size(self) -> int:
        return len(self.body) + (1_000 if self.is_file else 0)


class Outbox(RuleBasedStateMachine):
    """A model of two targets beside the real tables; the second one is journaled."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "appliance.db"
        self.db = Database.open(path, "appliance", synchronous="NORMAL")
        self.now_ns = 10 * DAY_NS
        self.made = 0
        self.rows: dict[str, dict[str, Row]] = {target: {} for target in TARGETS}

    def teardown(self) -> None:
        self.db.close()
        self.folder.cleanup()

    def of(self, target: str, *states: str) -> list[Row]:
        return [row for row in self.rows[target].values() if row.state in states]

    @rule(count=st.integers(1, 3), kind=st.sampled_from(KINDS), due_s=st.sampled_from([0, 0, 30]))
    def owe(self, count: int, kind: str, due_s: int) -> None:
        for _ in range(count):
            self.made += 1
            id_ = f"{self.made * 7919 % 1000:03}-{self.made}"
            file = owed_file("e", "gate", self.now_ns, self.now_ns + 10**9)
            body = msgspec.json.encode(file) if kind in FILE_KINDS else BODY
            due_ns = self.now_ns + due_s * 10**9 if due_s else 0
            size = 1_000 if kind in FILE_KINDS else 0
            self.db.write_now(
                lambda c, id_=id_, body=body, due_ns=due_ns, size=size: outbox.enqueue(
                    c, TARGETS, id_, kind, body, self.now_ns, due_ns=due_ns, file_bytes=size
                )
            )
            for target in TARGETS:
                self.rows[target][id_] = Row(id_, kind, self.made, self.now_ns, due_ns, body)

    @rule(seconds=st.sampled_from([1, 20, 400]))
    def time_passes(self, seconds: int) -> None:
        self.now_ns += seconds * 10**9

    @rule(to=st.sampled_from(TARGETS), limit=st.integers(1, 4), files=st.booleans())
    def take(self, to: str, limit: int, files: bool) -> None:
        got = self.db.write_now(lambda c: outbox.take(c, to, limit, self.now_ns, files=files))
        due = [r for r in self.of(to, "waiting") if r.is_file == files and r.due_ns <= self.now_ns]
        due.sort(key=lambda row: (row.lane, row.made))
        assert [row.id for row in got] == [row.id for row in due[:limit]], "by lane, then in order"
        for row in due[:limit]:
            row.state = "in_flight"

    @rule(to=st.sampled_from(TARGETS))
    def deliver(self, to: str) -> None:
        """The straight line: all that is due goes, and is acknowledged."""
        for files in (False, True):
            self.take(to, 99, files)
        journal, flying = to == "hub", self.of(to, "in_flight")
        ids = [row.id for row in flying]
        assert self.db.write_now(
            lambda c: outbox.acknowledge(c, to, ids, self.now_ns, journal=journal)
        ) == len(ids)
        for row in flying:
            row.state, row.in_journal = ("tombstoned" if row.buried else "acknowledged"), journal

    @rule(to=st.sampled_from(TARGETS), reason=st.sampled_from(["400", "409"]))
    def take_and_be_refused(self, to: str, reason: str) -> None:
        for files in (False, True):
            self.take(to, 2, files)
        self.refuse(to)

    @rule(data=st.data(), to=st.sampled_from(TARGETS))
    def acknowledge_some(self, data: st.DataObject, to: str) -> None:
        flying = [row.id for row in self.of(to, "in_flight")]
        ids = data.draw(st.lists(st.sampled_from([*flying, *flying, *self.rows[to], "stranger"]), max_size=8))
        journal = to == "hub"
        gone = [row for id_ in set(ids) if (row := self.rows[to].get(id_)) and row.state == "in_flight"]
        left = self.db.write_now(lambda c: outbox.acknowledge(c, to, ids, self.now_ns, journal=journal))
        assert left == len(gone)
        for row in gone:
            row.state, row.in_journal = ("tombstoned" if row.buried else "acknowledged"), journal

    @rule(data=st.data())
    def lose_from_the_hub(self, data: st.DataObject) -> None:
        has = [row.id for row in self.rows["hub"].values() if row.in_journal]
        known = [*(has or self.rows["hub"]), "stranger"]
        ids = data.draw(st.lists(st.sampled_from(known), max_size=6, unique=True))
        lost = [row for id_ in ids if (row := self.rows["hub"].get(id_)) and row.in_journal]
        assert self.db.write_now(lambda c: delivered.owe_again(c, "hub", ids, self.now_ns)) == len(lost)
        for row in lost:  # any order among them is good; they come after those that wait already
            row.state, row.in_journal, row.due_ns = "waiting", False, 0
        order = self.db.read_now(
            lambda c: [
                r["id"] for r in c.execute("SELECT id FROM outbox WHERE target_id='hub' ORDER BY position")
            ]
        )
        for row in sorted(lost, key=lambda row: order.index(row.id)):
            self.made += 1
            row.made = self.made

    @rule(to=st.sampled_from(TARGETS), pause_s=st.sampled_from([0, 5]))
    def silence(self, to: str, pause_s: int) -> None:
        rows = self.of(to, "in_flight")
        due_ns = self.now_ns + pause_s * 10**9 if pause_s else 0
        self.db.write_now(lambda c: outbox.retry(c, to, [r.id for r in rows], due_ns, "silence"))
        for row in rows:
            row.state, row.due_ns = "waiting", due_ns

    @rule(to=st.sampled_from(TARGETS))
    def refuse(self, to: str) -> None:
        rows = self.of(to, "in_flight")
        self.db.write_now(lambda c: outbox.park(c, to, [r.id for r in rows], "400"))
        for row in rows:
            row.state = "parked"

    @rule(to=st.sampled_from(TARGETS))
    def mend(self, to: str) -> None:
        rows = self.of(to, "parked")
        assert self.db.write_now(lambda c: outbox.unpark(c, to)) == len(rows)
        for row in rows:
            row.state, row.due_ns = "waiting", 0

    @rule(data=st.data(), to=st.sampled_from(TARGETS), gives_up=st.booleans())
    def a_person_decides_about_one(self, data: st.DataObject, to: str, gives_up: bool) -> None:
        id_ = data.draw(
            st.sampled_from([*(row.id for row in self.of(to, "parked")), *self.rows[to], "stranger"])
        )
        row = self.rows[to].get(id_)
        can = row is not None and row.state == "parked" and not (gives_up and row.buried)
        if gives_up:
            assert self.db.write_now(lambda c: tombstones.entomb_parked(c, to, "given up", id_)) == can
        else:
            assert self.db.write_now(lambda c: parked.unpark(c, to, id_)) is can
        if row is not None and can:
            row.state, row.due_ns = "waiting", 0
            if gives_up:
                self.bury(row, "given up")

    @rule(to=st.sampled_from(TARGETS))
    def a_person_gives_all_up(self, to: str) -> None:
        rows = [row for row in self.of(to, "parked") if not row.buried]
        assert self.db.write_now(lambda c: tombstones.entomb_parked(c, to, "given up")) == len(rows)
        for row in rows:
            self.bury(row, "given up")

    @rule(to=st.sampled_from(TARGETS))
    def restart(self, to: str) -> None:
        rows = self.of(to, "in_flight")
        assert self.db.write_now(lambda c: outbox.recover(c, to)) == len(rows)
        for row in rows:
            row.state = "waiting"

    @rule()
    def expire(self) -> None:
        self.db.write_now(lambda c: tombstones.entomb(c, self.now_ns, "expired"))
        for target in TARGETS:
            for row in self.of(target, "waiting", "parked"):
                if row.created_ns < self.now_ns and not row.buried:
                    self.bury(row, "expired")

    @rule(to=st.sampled_from(TARGETS))
    def its_footage_is_gone(self, to: str) -> None:
        rows = [row for row in self.of(to, "in_flight") if row.is_file]
        self.db.write_now(lambda c: tombstones.entomb_flying(c, to, [r.id for r in rows], "lost"))
        for row in rows:
            self.bury(row, "lost")

    @rule(to=st.sampled_from(TARGETS), quota=st.sampled_from([0, 500, 3_000]))
    def quota(self, to: str, quota: int) -> None:
        inside = self.of(to, "waiting", "parked", "in_flight")
        over = sum(row.size for row in inside) - quota
        done = self.db.write_now(lambda c: tombstones.entomb_over(c, to, quota, "quota"))
        movable = [row for row in inside if row.state != "in_flight" and not row.buried]
        movable.sort(key=lambda row: (-row.lane, row.created_ns))
        for _ in range(done):
            assert over > 0, "no more than it takes"
            # Of those made in the same instant any may go: ask which.
            row = next(r for r in movable if not r.buried and self.is_buried(to, r.id))
            first = next(r for r in movable if not r.buried)
            assert (row.lane, row.created_ns) == (first.lane, first.created_ns), "the oldest of the lowest"
            over -= row.size
            self.bury(row, "quota")
        assert over <= 0 or all(row.buried for row in movable)

    def is_buried(self, to: str, id_: str) -> bool:
        return self.db.read_now(
            lambda c: c.execute(
                "SELECT is_tombstone FROM outbox WHERE id = ? AND target_id = ?", (id_, to)
            ).fetchone()["is_tombstone"]
        )

    def bury(self, row: Row, reason: str) -> None:
        row.buried, row.state, row.due_ns = True, "waiting", 0
        row.body = json.dumps({"kind": row.kind, "reason": reason}, separators=(",", ":")).encode()

    @invariant()
    def everything_owed_is_somewhere(self) -> None:
        for target in TARGETS:
            found = self.db.read_now(lambda c, t=target: outbox_counts.by_kind(c, t))
            for kind in KINDS:
                figures = found.get(kind, outbox_counts.TargetFigures())
                mine = [row for row in self.rows[target].values() if row.kind == kind]
                states = Counter(row.state for row in mine)
                assert figures.owed == len(mine)
                for state in ("acknowledged", "tombstoned", "waiting", "in_flight", "parked"):
                    assert getattr(figures, state) == states[state], (target, kind, state)
                there = [row for row in mine if row.state in ("waiting", "in_flight", "parked")]
                assert figures.bytes == sum(row.size for row in there)
                assert figures.oldest_ns == min((row.created_ns for row in there), default=None)
                assert figures.owed == sum(
                    (figures.acknowledged, figures.tombstoned, figures.waiting, figures.in_flight,
                     figures.parked)
                )  # fmt: skip

    @invariant()
    def footage_is_pinned_as_long_as_it_is_owed(self) -> None:
        owed = {
            row.id
            for target in TARGETS
            for row in self.of(target, "waiting", "in_flight", "parked")
            if row.is_file
        }
        assert {lock.owner_id for lock in self.db.read_now(locks.every)} == owed

    @invariant()
    def the_journal_sums_up_what_the_hub_has(self) -> None:
        has = [row for row in self.rows["hub"].values() if row.in_journal]
        counts = Counter("tombstone" if row.buried else row.kind for row in has)
        found = self.db.read_now(lambda c: delivered.buckets(c, "hub"))
        assert {b.kind: b.count for b in found} == dict(counts)
        digests = sum(delivered.digest(row.id) for row in has)
        assert sum(b.digest for b in found) == digests
        left = [row for row in self.rows["hub"].values() if row.state in ("acknowledged", "tombstoned")]
        assert self.db.read_now(lambda c: delivered.acknowledged(c, "hub")) == len(left)
        assert self.db.read_now(lambda c: delivered.buckets(c, "cloud")) == []


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
