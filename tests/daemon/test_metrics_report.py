"""One row of figures, made of what the parts say, and only where somebody wants it."""

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from appliance.base.model import CameraStatus
from appliance.daemon.metrics_report import MetricsReports
from appliance.store import outbox, targets
from appliance.store.database import Database
from appliance.store.targets import Target
from appliance.sync.protocol.report import MetricsReport
from appliance.vision.state import VisionFigures


@pytest.fixture
def box(tmp_path: Path, clock):
    db = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    statuses = {
        ("yard", "main"): CameraStatus("recording", 0, fps=14.987, bitrate_bps=2_000_000, reconnects=3),
        ("gate", "main"): CameraStatus("offline", 0),
    }
    recorder = SimpleNamespace(stream_statuses=lambda: statuses)
    volumes = [SimpleNamespace(id="v1", root=tmp_path), SimpleNamespace(id="v2", root=tmp_path / "gone")]
    analysis = {"yard": VisionFigures(5.0, 3.21)}
    yield SimpleNamespace(
        db=db, clock=clock, reports=MetricsReports(db, clock, recorder, volumes, lambda: analysis)
    )
    db.close()


def want(box, **kinds) -> None:
    policy = msgspec.convert({"kinds": kinds}, targets.Policy)
    hub = Target("hub", "https://hub.example", "hub", policy=policy)
    box.db.write_now(lambda conn: targets.put(conn, hub, None))


async def test_figures_of_all_parts_are_one_row(box) -> None:
    want(box)
    box.db.write_now(lambda conn: outbox.enqueue(conn, ["hub"], "e1", "event", b"{}", 0))
    box.clock.tick(90)
    assert await box.reports.tell()
    rows = box.db.write_now(lambda conn: outbox.take(conn, "hub", 9, box.clock.now_ns()))
    (row,) = (row for row in rows if row.kind == "metrics")
    assert row.lane == 6
    told = msgspec.json.decode(row.body, type=MetricsReport)
    assert (told.time, told.uptime_s, told.waiting) == ("2026-01-20T14:31:30.000Z", 90, 1)
    assert 0 <= told.cpu_percent <= 100 and 0 < told.memory_used_percent < 100
    assert told.process_rss_bytes > 10_000_000
    assert [(s.camera_id, s.state, s.fps, s.bitrate_bps, s.reconnects) for s in told.streams] == [
        ("gate", "offline", 0, 0, 0), ("yard", "recording", 14.99, 2_000_000, 3),
    ]  # fmt: skip
    assert [(a.camera_id, a.fps, a.wanted_fps) for a in told.analysis] == [("yard", 3.21, 5)]
    assert [disk.volume for disk in told.disks] == ["v1", "v2"]
    assert told.disks[0].free_bytes > 0 and told.disks[1].free_bytes == 0


@pytest.mark.parametrize("kinds", [None, {"metrics": {"on": False}}])
async def test_where_nobody_wants_figures_none_are_made(box, kinds) -> None:
    if kinds is not None:
        want(box, **kinds)
    assert not await box.reports.tell()
    assert box.db.read_now(lambda conn: conn.execute("SELECT count(*) FROM outbox").fetchone()[0]) == 0
