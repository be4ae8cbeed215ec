"""Files beside rows: one at a time, in their lane's order, and out of the way of what is urgent."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.store import locks, outbox, outbox_counts
from appliance.store.database import Database
from appliance.store.owed_files import owed_file
from appliance.store.targets import Target
from appliance.sync.answer import Verdict
from appliance.sync.sender import Sender
from appliance.sync.targets import Probed

PIECE = 1_000


class Footage:
    mime = "video/mp4"

    def __init__(self, size_bytes: int) -> None:
        self.data = bytes(size_bytes)
        self.size_bytes, self.sha256 = size_bytes, hashlib.sha256(self.data).hexdigest()

    async def read(self, offset: int, length_bytes: int) -> AsyncIterator[bytes]:
        yield self.data[offset : offset + length_bytes]


class Peer:
    """A target in this process: takes pieces, remembers how far each file is, stops where it is told."""

    takes_files = True
    most_rows = 1_000

    def __init__(self) -> None:
        self.log: list[str] = []
        self.have: dict[str, int] = {}
        self.gate = asyncio.Event()  # pieces go while it is set
        self.gate.set()
        self.hold_rows = asyncio.Event()
        self.hold_rows.set()
        self.answers: list[Verdict] = []  # to the next rows and files, in order
        self.most_at_once = self.at_once = 0

    async def put(self, rows) -> Verdict:
        self.log.append("rows:" + ",".join(row.id for row in rows))
        await self.hold_rows.wait()
        if self.answers:
            return self.answers.pop(0)
        return Verdict("delivered", tuple(row.id for row in rows))

    async def put_file(self, row, material, pace) -> Verdict:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.log.append(f"begin:{row.id}@{self.have.get(row.id, 0)}")
        try:
            if self.answers:
                return self.answers.pop(0)
            while self.have.get(row.id, 0) < material.size_bytes:
                await self.gate.wait()
                await pace.ready(PIECE)
                self.have[row.id] = self.have.get(row.id, 0) + PIECE
                await asyncio.sleep(0)
            self.log.append(f"end:{row.id}")
            return Verdict("delivered", (row.id,))
        except asyncio.CancelledError:
            self.log.append(f"stopped:{row.id}")
            raise
        finally:
            self.at_once -= 1

    async def probe(self) -> Probed:
        return Probed(True, "")

    async def close(self) -> None: ...


class Ring:
    """Materials: what each row id is made into; an error where it says so."""

    def __init__(self) -> None:
        self.of: dict[str, Footage | ApplianceError] = {}

    async def open(self, row):
        found = self.of.get(row.id, Footage(5_000))
        if isinstance(found, ApplianceError):
            raise found
        return found


class Stage:
    def __init__(self, folder: Path, policy=None) -> None:
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.clock = ManualClock()
        self.peer, self.ring = Peer(), Ring()
        target = Target("hub", "https://hub", "hub")
        self.sender = Sender(target, self.peer, self.db, self.clock, materials=self.ring)
        self.task: asyncio.Task | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.sender.run())

    def owe(self, id_: str, kind: str = "clip", lane: int | None = None, due_s: float = 0) -> None:
        now_ns = self.clock.now_ns()
        body = msgspec.json.encode(owed_file("e", "gate", now_ns, now_ns + 10**9))
        due_ns = now_ns + round(due_s * 1e9) if due_s else 0
        self.db.write_now(
            lambda c: outbox.enqueue(c, ["hub"], id_, kind, body, now_ns, lane=lane, due_ns=due_ns)
        )
        self.sender.wake()

    def figures(self, kind: str | None = None):
        return self.db.read_now(lambda c: outbox_counts.figures(c, "hub", kind))

    async def until(self, holds, tick_s: float = 0.05) -> None:
        for _ in range(5_000):
            if holds():
                return
            self.clock.tick(tick_s)
            await asyncio.sleep(0.001)
        raise AssertionError(f"it never came: {self.peer.log}")


@pytest.fixture
async def stage(tmp_path: Path):
    made = Stage(tmp_path)
    yield made
    if made.task is not None:
        made.task.cancel()
        await asyncio.gather(made.task, return_exceptions=True)
    made.db.close()


async def test_files_go_one_at_a_time_the_most_urgent_lane_first(stage: Stage) -> None:
    for id_, kind in (("c1", "clip"), ("c2", "clip"), ("m", "small_clip"), ("s", "still")):
        stage.owe(id_, kind)
    stage.start()
    await stage.until(lambda: stage.figures().acknowledged == 4)
    assert [entry for entry in stage.peer.log if entry.startswith("begin")] == [
        "begin:s@0", "begin:m@0", "begin:c1@0", "begin:c2@0",
    ]  # fmt: skip
    assert stage.peer.most_at_once == 1
    assert stage.db.read_now(locks.every) == [], "nothing is pinned for it any more"


async def test_a_file_waits_while_an_alert_is_on_its_way(stage: Stage) -> None:
    stage.ring.of["c"] = Footage(50_000)
    stage.peer.gate.clear()
    stage.owe("c")
    stage.start()
    await stage.until(lambda: "begin:c@0" in stage.peer.log)
    stage.peer.hold_rows.clear()
    stage.owe("alert", "alert", 0)
    await stage.until(lambda: "rows:alert" in stage.peer.log)
    stage.peer.gate.set()
    for _ in range(200):
        await asyncio.sleep(0.001)
    assert stage.peer.have.get("c", 0) == 0, "not one piece beside the alert"
    stage.peer.hold_rows.set()
    await stage.until(lambda: stage.figures().acknowledged == 2)
    assert stage.peer.log.count("begin:c@0") == 1, "it was not called back for a row"


async def test_a_more_urgent_file_calls_back_the_one_under_way_which_goes_on_later(stage: Stage) -> None:
    stage.ring.of["c"] = Footage(50_000)
    stage.owe("c")
    stage.start()
    await stage.until(lambda: stage.peer.have.get("c", 0) > 10_000)
    stage.peer.gate.clear()  # or a busy machine lets it end before the other is owed
    stage.owe("s", "still")
    await stage.until(lambda: "stopped:c" in stage.peer.log)
    stage.peer.gate.set()
    await stage.until(lambda: stage.figures().acknowledged == 2)
    log = [entry.partition("@")[0] for entry in stage.peer.log]
    assert log == ["begin:c", "stopped:c", "begin:s", "end:s", "begin:c", "end:c"]
    assert not stage.peer.log[4].endswith("@0"), "from where it stopped"


async def test_a_less_urgent_file_calls_nothing_back(stage: Stage) -> None:
    stage.peer.gate.clear()
    stage.owe("m", "small_clip")
    stage.start()
    await stage.until(lambda: "begin:m@0" in stage.peer.log)
    stage.owe("c", "clip")
    for _ in range(100):
        await asyncio.sleep(0.001)
    stage.peer.gate.set()
    await stage.until(lambda: stage.figures().acknowledged == 2)
    assert "stopped:m" not in stage.peer.log


async def test_what_the_ring_has_lost_becomes_a_tombstone_and_is_delivered_as_one(stage: Stage) -> None:
    stage.ring.of["c"] = ApplianceError("not_found", "its footage is gone")
    stage.owe("c")
    stage.start()
    await stage.until(lambda: stage.figures("clip").tombstoned == 1)
    assert stage.peer.log == ["rows:c"] and stage.db.read_now(locks.every) == []


async def test_what_is_not_recorded_yet_waits_and_is_not_in_the_way(stage: Stage) -> None:
    stage.ring.of["c1"] = ApplianceError("unavailable", "not on disk yet")
    stage.owe("c1")
    stage.owe("c2")
    stage.owe("c3", due_s=20)
    stage.start()
    await stage.until(lambda: stage.figures().acknowledged == 1)
    assert stage.figures().waiting == 2 and "begin:c3@0" not in stage.peer.log
    stage.ring.of["c1"] = Footage(3_000)
    await stage.until(lambda: stage.figures().acknowledged == 3, tick_s=0.5)


async def test_footage_that_never_comes_is_given_up_after_a_day(stage: Stage) -> None:
    stage.ring.of["c"] = ApplianceError("unavailable", "its disk is not there")
    stage.owe("c")
    stage.start()
    await stage.until(lambda: stage.figures().tombstoned == 1, tick_s=120)


async def test_trouble_rests_and_refusal_parks_with_its_reason(stage: Stage) -> None:
    stage.peer.answers = [Verdict("later", error="HTTP 503"), Verdict("refused", error="too large")]
    stage.owe("c")
    stage.start()
    await stage.until(lambda: stage.sender.state.upload_error == "HTTP 503", tick_s=0)
    assert stage.figures().waiting == 1
    await stage.until(lambda: stage.figures().parked == 1)
    assert stage.db.read_now(lambda c: outbox.refused(c, "hub")) == [("c", "clip", "too large")]
    assert len(stage.db.read_now(locks.every)) == 1, "a person may still mend it"


async def test_a_batch_of_little_urgency_is_called_back_for_an_alert(stage: Stage) -> None:
    now_ns = stage.clock.now_ns()
    stage.db.write_now(lambda c: outbox.enqueue(c, ["hub"], "m", "metrics", b"{}", now_ns))
    stage.peer.hold_rows.clear()
    stage.start()
    await stage.until(lambda: "rows:m" in stage.peer.log)
    stage.db.write_now(lambda c: outbox.enqueue(c, ["hub"], "a", "alert", b"{}", now_ns, lane=0))
    stage.sender.wake()
    await stage.until(lambda: len(stage.peer.log) > 1)
    assert stage.peer.log[1] == "rows:a,m"
    stage.peer.hold_rows.set()
    await stage.until(lambda: stage.figures().acknowledged == 2)


async def test_rows_that_are_rejected_singly_are_parked_and_the_others_leave(stage: Stage) -> None:
    now_ns = stage.clock.now_ns()
    for id_ in "abc":
        stage.db.write_now(lambda c, id_=id_: outbox.enqueue(c, ["hub"], id_, "event", b"{}", now_ns))
    stage.peer.answers = [Verdict("delivered", ("a", "c"), (("b", "body.type is missing"),))]
    stage.start()
    await stage.until(lambda: stage.figures().acknowledged == 2)
    assert stage.db.read_now(lambda c: outbox.refused(c, "hub")) == [("b", "event", "body.type is missing")]
    assert len(stage.peer.log) == 1


async def test_a_stop_in_the_middle_puts_everything_back(stage: Stage) -> None:
    stage.ring.of["c"] = Footage(50_000)
    stage.owe("c")
    stage.start()
    await stage.until(lambda: stage.peer.have.get("c", 0) > 5_000)
    stage.task.cancel()
    await asyncio.gather(stage.task, return_exceptions=True)
    assert stage.peer.log[-1] == "stopped:c"
    assert stage.figures().owed == 1 == stage.figures().in_flight
    stage.sender = Sender(
        Target("hub", "https://hub", "hub"), stage.peer, stage.db, stage.clock, materials=stage.ring
    )
    stage.start()
    await stage.until(lambda: stage.figures().acknowledged == 1)
