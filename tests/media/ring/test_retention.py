"""Retention against a model: what goes, in which order, what never goes, and what is left behind."""

import asyncio
import itertools
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS, ManualClock
from appliance.base.model import Camera, Gap, Lock, RecordSettings, Segment
from appliance.base.settings import RetentionSettings, Settings
from appliance.media.ring import retention as subject
from appliance.media.ring.retention import Retention, Space, reserve_bytes
from appliance.media.ring.volumes import Volumes, open_volumes
from appliance.store import cameras, gaps, garbage, locks, retention_held, segments
from appliance.store import settings as stored
from appliance.store.database import Database

MB = 1_000_000
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS


@dataclass
class Ring:
    """Rows and files of made-up footage on a disk of a made-up size."""

    root: Path
    clock: ManualClock
    db: Database
    archive: Database
    volumes: Volumes
    total_bytes: int = 1000 * MB
    others_bytes: int = 0

    def space(self, root: Path) -> Space:
        used = sum(path.stat().st_size for path in root.rglob("*.mp4"))
        return Space(self.total_bytes, max(0, self.total_bytes - self.others_bytes - used))

    def retention(self, **more) -> Retention:
        return Retention(self.db, self.archive, self.volumes, self.clock, space=self.space, **more)

    def wish(self, **wanted) -> None:
        defaults = {"reserve_percent": 0.0, "reserve_bytes": 0}
        made = Settings(retention=RetentionSettings(**defaults | wanted))
        self.db.write_now(lambda conn: stored.save(conn, made))

    def camera(self, camera_id: str, **more) -> None:
        camera = Camera(camera_id, camera_id, "rtsp://127.0.0.1/x", **more)
        self.db.write_now(lambda conn: cameras.insert(conn, camera, None))

    def segment(self, camera_id: str, start_ns: int, length_s: float = 60, size: int = MB) -> Segment:
        path = f"{camera_id}/main/2026-01-20/{start_ns // HOUR_NS % 24:02d}/{start_ns}.mp4"
        row = Segment(
            camera_id, "main", "boot", "run", start_ns, self.volumes.all[0].id, path, start_ns,
            start_ns + int(length_s * SECOND_NS), size, "", "avc1.42c00c", 128, 96, 15, "",
        )  # fmt: skip
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            out.truncate(size)
        self.archive.write_now(lambda conn: segments.put(conn, row))
        return row

    def lock(self, camera_id: str, start_ns: int, end_ns: int, owner: str = "person") -> None:
        lock = Lock(f"{camera_id}-{start_ns}", camera_id, start_ns, end_ns, "", owner, "o", 0)
        self.db.write_now(lambda conn: locks.insert(conn, lock))

    def rows(self) -> set[str]:
        return {row.path for row in self.archive.read_now(lambda conn: list(segments.every(conn)))}

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*.mp4")}

    def gaps(self, camera_id: str) -> list[Gap]:
        return self.db.read_now(lambda conn: gaps.of_stream(conn, camera_id, "main"))


@contextmanager
def made_ring(folder: Path) -> Iterator[Ring]:
    clock = ManualClock()
    db = Database.open(folder / "appliance.db", "appliance", synchronous="FULL")
    archive = Database.open(folder / "archive.db", "archive", synchronous="NORMAL")
    volumes = open_volumes([folder / "disk"], db, "", clock, 1.0, lambda row, path: None)
    ring = Ring(folder / "disk", clock, db, archive, volumes)
    ring.wish()
    yield ring
    db.close()
    archive.close()


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    with made_ring(tmp_path) as made:
        yield made


ages = st.lists(
    st.tuples(
        st.sampled_from(["gate", "yard"]),
        st.integers(1, 100),  # minutes long
        st.integers(1, 60),  # megabytes
        st.sampled_from(["footage", "footage", "footage", "gap"]),
    ),
    max_size=14,
)
held = st.lists(
    st.tuples(st.sampled_from(["gate", "yard"]), st.integers(0, 900), st.integers(1, 200)), max_size=3
)


@settings(max_examples=40)
@given(
    ages, held, st.integers(0, 300), st.integers(0, 400), st.none() | st.integers(0, 400), st.floats(0, 0.5)
)
def test_the_order_the_locks_and_the_ledger(parts, held, reserve_mb, others_mb, max_mb, days):
    with tempfile.TemporaryDirectory() as folder, made_ring(Path(folder)) as ring:
        ring.others_bytes = others_mb * MB
        limit = None if max_mb is None else max_mb * MB
        ring.wish(days=days, reserve_bytes=reserve_mb * MB, max_bytes=limit)
        ends = {"gate": 0, "yard": 0}
        begin_ns = ring.clock.now_ns()
        made: list[Segment] = []
        for camera_id, minutes, size_mb, what in parts:
            start_ns = begin_ns + ends[camera_id] * 60 * SECOND_NS
            ends[camera_id] += minutes
            end_ns = begin_ns + ends[camera_id] * 60 * SECOND_NS
            if what == "gap":
                gap = Gap(camera_id, "main", start_ns, end_ns, "no_video")
                ring.db.write_now(lambda conn, gap=gap: gaps.put(conn, gap, "boot"))
            else:
                made.append(ring.segment(camera_id, start_ns, minutes * 60, size_mb * MB))
        for camera_id, at, length in dict.fromkeys((c, a, n) for c, a, n in held):
            start_ns = begin_ns + at * 60 * SECOND_NS
            end_ns = start_ns + length * 60 * SECOND_NS
            lock = Lock(f"{camera_id}{at}-{length}", camera_id, start_ns, end_ns, "", "person", "", 0)
            ring.db.write_now(lambda conn, lock=lock: locks.insert(conn, lock))
        ring.clock.tick(max([*ends.values(), 1]) * 60)
        state = ring.retention().sweep()

        kept = ring.rows()
        gone = [row for row in made if row.path not in kept]
        left = [row for row in made if row.path in kept]
        assert ring.files() == kept
        assert ring.db.read_now(garbage.list_garbage) == []

        def is_held(row: Segment) -> bool:
            return bool(
                ring.db.read_now(lambda c: locks.overlapping(c, row.camera_id, row.start_ns, row.end_ns))
            )

        assert not any(is_held(row) for row in gone)
        old_ns = ring.clock.now_ns() - int(days * DAY_NS)
        assert not any(row.end_ns <= old_ns and not is_held(row) for row in left)
        # What went for room is older than whatever stays and could have gone.
        young = sorted((row for row in gone if row.end_ns > old_ns), key=lambda r: (r.start_ns, r.path))
        free = [(row.start_ns, row.path) for row in left if not is_held(row)]
        if young and free:
            assert (young[-1].start_ns, young[-1].path) < min(free)
        # As much as was needed, and no more.
        space, recorded = ring.space(ring.root), sum(row.bytes_ for row in left)
        wanted = RetentionSettings(reserve_percent=0, reserve_bytes=reserve_mb * MB)
        reserve = reserve_bytes(space, recorded, wanted)
        short = space.free_bytes < reserve or (limit is not None and recorded > limit)
        assert short == (state.level == "stuck")
        assert not (short and free)
        if young:
            last = young[-1].bytes_
            before = Space(space.total_bytes, space.free_bytes - last)
            was_over = limit is not None and recorded + last > limit
            assert was_over or before.free_bytes < reserve_bytes(before, recorded + last, wanted)
        for camera_id in ("gate", "yard"):
            spans = [(row.start_ns, row.end_ns) for row in left if row.camera_id == camera_id]
            spans += [(gap.start_ns, gap.end_ns) for gap in ring.gaps(camera_id)]
            spans.sort()
            assert all(one[1] == other[0] for one, other in itertools.pairwise(spans))
            assert sum(end - start for start, end in spans) == ends[camera_id] * 60 * SECOND_NS


def test_the_reserve_of_disks_large_small_and_full():
    wanted = RetentionSettings()  # 5 %, at least 2 GB
    assert reserve_bytes(Space(4000 * 10**9, 10**12), 0, wanted) == 200 * 10**9
    assert reserve_bytes(Space(20 * 10**9, 15 * 10**9), 0, wanted) == 2 * 10**9
    assert reserve_bytes(Space(16 * MB, 15 * MB), 0, wanted) == 3_200_000
    # 100 GB of which others hold 98: the ring may have half of what is left.
    assert reserve_bytes(Space(100 * 10**9, 10**9), 10**9, wanted) == 10**9
    assert reserve_bytes(Space(100 * 10**9, 0), 0, wanted) == 0


def test_a_disk_that_others_filled_does_not_cost_all_footage(ring):
    ring.wish(reserve_bytes=500 * MB)
    start_ns = ring.clock.now_ns()
    for number in range(10):
        ring.segment("gate", start_ns + number * 60 * SECOND_NS, size=10 * MB)
    ring.others_bytes = ring.total_bytes - 120 * MB  # 20 MB are free
    ring.clock.tick(600)
    state = ring.retention().sweep()
    assert len(ring.rows()) == 6  # half of 120 MB
    assert state.level == "low" and "other files leave recordings 120 MB of 1000 MB" in state.detail


async def test_a_ring_of_seconds_is_no_recording_and_is_told_until_there_is_room_again(ring):
    """Full to the last byte by what is not ours: whatever the ring still turns over, nothing is kept."""
    ring.wish(reserve_bytes=500 * MB)
    told: list[subject.RetentionState] = []
    retention = ring.retention(on_state=told.append)
    for number in range(4):
        ring.segment("gate", ring.clock.now_ns() + number * 60 * SECOND_NS, size=10 * MB)
    for others, level in (
        (0, "ok"),
        (960, "stuck"),
        (1000, "stuck"),
        (945, "stuck"),
        (900, "low"),
        (0, "ok"),
    ):
        ring.others_bytes = others * MB
        assert (await retention.run_once()).level == level, others
    assert [state.level for state in told] == ["stuck", "low", "ok"]
    assert "other files leave recordings 40 MB of 1000 MB" in told[0].detail
    assert "take files that are not recordings off that disk" in told[0].hint


def test_what_was_made_shorter_from_afar_deletes_nothing_for_a_day(ring):
    ring.wish(days=10)
    start_ns = ring.clock.now_ns()
    for number in range(5):
        ring.segment("gate", start_ns + number * 60 * SECOND_NS)
    ring.clock.tick(2 * 86_400)
    now_ns = ring.clock.now_ns()
    ring.db.write_now(lambda conn: retention_held.hold(conn, stored.load(conn).retention, now_ns))
    ring.wish(days=1, max_bytes=MB)
    retention = ring.retention()
    retention.sweep()
    assert len(ring.rows()) == len(ring.files()) == 5
    ring.clock.tick(86_401)
    retention.sweep()
    assert ring.rows() == set()


def test_a_camera_keeps_its_own_days_and_an_archived_one_ages_out(ring):
    ring.wish(days=10)
    ring.camera("long", retention_days=20)
    ring.camera("short", retention_days=1)
    ring.camera("gone", archived_ns=1)
    start_ns = ring.clock.now_ns()
    for camera_id in ("long", "short", "gone", "unknown"):
        for day in range(0, 12, 2):
            ring.segment(camera_id, start_ns + day * DAY_NS)
    ring.clock.tick(12 * 86_400)
    ring.retention().sweep()
    left = {
        camera: sum(path.startswith(camera) for path in ring.rows())
        for camera in ("long", "short", "gone", "unknown")
    }
    assert left == {"long": 6, "short": 0, "gone": 5, "unknown": 5}


def test_a_camera_that_keeps_only_events_keeps_what_is_pinned(ring):
    ring.camera("gate", record=RecordSettings("events"))
    start_ns = ring.clock.now_ns()
    rows = [ring.segment("gate", start_ns + n * 60 * SECOND_NS) for n in range(180)]
    ring.lock("gate", rows[30].start_ns + SECOND_NS, rows[31].start_ns + SECOND_NS, owner="event")
    ring.clock.tick(180 * 60)
    ring.retention().sweep()
    left = ring.rows()
    assert {rows[30].path, rows[31].path} <= left
    assert left - {rows[30].path, rows[31].path} == {row.path for row in rows[120:]}
    expired = [(gap.start_ns, gap.end_ns) for gap in ring.gaps("gate") if gap.cause == "expired"]
    assert expired == [(rows[0].start_ns, rows[30].start_ns), (rows[32].start_ns, rows[120].start_ns)]


async def test_locks_that_leave_no_room_are_told_once(ring):
    told = []
    ring.wish(reserve_bytes=200 * MB)
    start_ns = ring.clock.now_ns()
    for number in range(90):
        ring.segment("gate", start_ns + number * 60 * SECOND_NS, size=10 * MB)
    ring.lock("gate", 0, start_ns + DAY_NS)
    keeper = ring.retention(on_state=told.append)
    await keeper.run_once()
    await keeper.run_once()
    assert [state.level for state in told] == ["stuck"]
    assert "locked" in told[0].detail and "unlock" in told[0].hint
    assert len(ring.rows()) == 90
    ring.db.write_now(lambda conn: locks.delete(conn, f"gate-{0}"))
    await keeper.run_once()
    assert [state.level for state in told] == ["stuck", "ok"]
    assert len(ring.rows()) == 80


def test_a_lock_that_comes_in_between_is_seen_by_the_same_transaction(ring):
    start_ns = ring.clock.now_ns()
    rows = [ring.segment("gate", start_ns + n * 60 * SECOND_NS) for n in range(3)]
    keeper = ring.retention()
    ring.lock("gate", rows[1].start_ns, rows[1].end_ns)  # behind the look that chose the batch
    assert keeper._expire(rows, ring.volumes.all) == 2 * MB
    assert ring.rows() == {rows[1].path}


def test_nothing_is_condemned_on_a_disk_that_deletes_nothing(ring, monkeypatch):
    ring.wish(days=0)
    start_ns = ring.clock.now_ns()
    for number in range(100):
        ring.segment("gate", start_ns + number * 60 * SECOND_NS)
    ring.clock.tick(100 * 60)
    with monkeypatch.context() as patch:

        def refuse(self, missing_ok=False):
            raise OSError(30, "Read-only file system")

        patch.setattr(Path, "unlink", refuse)
        keeper = ring.retention()
        for _ in range(3):
            keeper.sweep()
    listed = ring.db.read_now(garbage.list_garbage)
    assert len(listed) == subject.BATCH and len(ring.files()) == 100
    ring.retention().sweep()
    assert ring.files() == ring.rows() == set()
    assert [(gap.start_ns, gap.cause) for gap in ring.gaps("gate")] == [(start_ns, "expired")]


def test_a_missing_disk_is_left_alone(ring):
    ring.wish(days=0)
    ring.segment("gate", ring.clock.now_ns())
    ring.clock.tick(3600)
    identity = ring.root / ".volume.json"
    text = identity.read_bytes()
    identity.unlink()
    assert ring.retention().sweep().level == "missing"
    assert len(ring.files()) == len(ring.rows()) == 1 and ring.gaps("gate") == []
    identity.write_bytes(text)
    assert ring.retention().sweep().level == "ok"
    assert ring.files() == set()


def test_a_database_without_room_gets_the_ballast(ring, monkeypatch):
    from appliance.base.errors import ApplianceError

    ring.wish(days=0)
    ring.segment("gate", ring.clock.now_ns())
    ring.clock.tick(3600)
    freed = []
    condemn = subject._condemn

    def no_room(conn: sqlite3.Connection, batch):
        if not freed:
            raise ApplianceError("exhausted", "database or disk is full")
        return condemn(conn, batch)

    monkeypatch.setattr(subject, "_condemn", no_room)
    keeper = ring.retention(make_room=lambda: freed.append(True) or True)
    asyncio.run(keeper.run_once())
    assert freed == [True] and ring.files() == set()


async def test_a_full_volume_wakes_the_sweep(ring):
    ring.wish(reserve_bytes=100 * MB)
    keeper = ring.retention()
    done = asyncio.Event()
    sweep, count = keeper.sweep, itertools.count()

    def counted():
        next(count)
        keeper._loop.call_soon_threadsafe(done.set)
        return sweep()

    keeper.sweep = counted
    task = asyncio.create_task(keeper.run())
    await asyncio.wait_for(done.wait(), 5)
    done.clear()
    from appliance.media.ring.segment import DiskFault

    await asyncio.to_thread(ring.volumes.all[0].report, DiskFault("disk_full", ""))
    await asyncio.wait_for(done.wait(), 5)  # the manual clock stands still: only the wake can be it
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
