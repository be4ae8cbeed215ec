"""The part that minds the models' health: real database, simulated time."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from appliance.base.clock import ManualClock
from appliance.base.model import Camera, DetectSettings
from appliance.daemon.models.health import ModelHealth
from appliance.store import model_health
from appliance.store.database import Database
from appliance.store.model_health import ClassSums, HealthKey, HealthRow
from appliance.vision.health.judge import HOUR_NS, Verdict
from appliance.vision.state import VisionBeat, VisionFigures, VisionState

START_NS = 480_000 * HOUR_NS


class Site:
    """One health part, and what it said."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        self.clock, self.path = clock, path
        self.state = VisionState("running", 0, "femto", "", 0)
        self.said: list[tuple[str, str, bool]] = []
        self.conditions = DetectSettings()
        self.start()

    def start(self) -> None:
        self.db = Database.open(self.path, "tracks", synchronous="NORMAL")
        self.health = ModelHealth(self.clock, self.db, lambda: self.state, self._say)
        self.look(self.conditions)

    def look(self, detect: DetectSettings) -> None:
        self.health.apply([Camera(name, name, "rtsp://h/s", detect=detect) for name in ("gate", "yard")])

    def _say(self, alarm: Any, began: bool) -> None:
        self.said.append((alarm.camera_id, alarm.kind, began))

    async def hour(self, mean: float, camera: str = "gate", conditions: str = "sub 0.40") -> None:
        """An hour passes; its rows are there as if beats had come, and it is judged at its end."""
        now_ns = self.clock.now_ns()
        chance = random.Random(now_ns)
        means = [chance.gauss(mean, 0.02) for _ in range(60)]
        sums = ClassSums(600, sum(means) * 10, 60, sum(means), sum(m * m for m in means))
        key = HealthKey(camera, now_ns // HOUR_NS * HOUR_NS, self.state.detector, conditions)
        await self.db.write(
            lambda c: model_health.add(c, [HealthRow(key, 10.0, 90.0, 9.0, {"person": sums})])
        )
        self.clock.tick(3599)
        await self.health.judge()
        self.clock.tick(1)


@pytest.fixture
def site(tmp_path: Path):
    made = Site(tmp_path / "tracks.db", ManualClock(START_NS))
    yield made
    made.db.close()


def beat(score: float, boxes: int = 2) -> VisionBeat:
    figures = {"gate": VisionFigures(5.0, looks_per_s=5.0, inference_ms=9.0)}
    return VisionBeat(figures, (), {}, {"gate": {"person": (boxes, boxes * score)}})


async def test_beats_become_rows_and_verdicts(site):
    running = asyncio.create_task(site.health.run())
    for _ in range(2 * 330):
        site.health.beat(beat(0.7))
        await site.clock.advance(0.5, 0.5)
    async with asyncio.timeout(10):
        while (
            seen := site.health.verdicts().get("gate")
        ) is None or seen.boxes <= 1000:  # real writes lie between its sleeps
            site.clock.tick(60)
            await asyncio.sleep(0.005)
    verdict = site.health.verdicts()["gate"]
    assert verdict.state == "learning" and verdict.level == pytest.approx(0.7)
    assert verdict.boxes > 1000 and verdict.classes == {"person": verdict.boxes}
    assert verdict.inference_ms == pytest.approx(9.0)
    assert site.health.verdicts()["yard"].state == "silent"
    running.cancel()
    site.health.beat(beat(0.7))
    site.clock.tick(60)
    await site.health.store()
    assert site.health.confidence() == {"gate": pytest.approx(0.7)}
    site.health.beat(beat(0.7))
    await site.health.close()
    rows = await site.db.read(lambda c: model_health.rows(c, "gate", "femto", "sub 0.40", 0))
    assert sum(row.classes["person"].boxes for row in rows) == 2 * (2 * 330 + 2)


async def test_verdicts_are_of_the_model_that_looks(site):
    await site.hour(0.7)
    assert site.health.verdicts()["gate"].classes
    site.state = VisionState("running", 0, "nano", "", 0)
    assert site.health.verdicts()["gate"] == Verdict("learning")
    running = asyncio.create_task(site.health.run())
    async with asyncio.timeout(10):
        while site.health.verdicts()["gate"].state == "learning":
            site.clock.tick(10)
            await asyncio.sleep(0.005)
    assert site.health.verdicts()["gate"].state == "silent", "judged anew within the minute"
    running.cancel()


@pytest.mark.parametrize(
    ("state", "said"), [("ok", "as sure as usual"), ("unjudged", "what looks has no confidence to judge")]
)
async def test_findings_say_what_is_known(site, state, said):
    site.health._verdicts, site.health._model = {"gate": Verdict(state)}, site.state.detector
    assert site.health.findings() == [("model", "ok", said)]


async def test_nothing_counts_while_no_model_looks(site):
    site.state = VisionState("starting", 0, "femto", "", 0)
    site.health.beat(beat(0.7))
    await site.health.close()
    assert await site.db.read(lambda c: model_health.rows(c, "gate", "femto", "sub 0.40", 0)) == []


async def test_a_drop_is_said_once_and_once_more_when_it_is_over(site):
    for mean in (0.7, 0.5, 0.5, 0.5, 0.45):
        await site.hour(mean)
    assert site.said == [("gate", "drop", True)]
    assert site.health.findings() == [("model", "degraded", "less sure than usual on 1 of 2 cameras")]
    assert "0.50" in site.health.alarms()["gate"].detail and "0.70" in site.health.alarms()["gate"].detail
    await site.hour(0.7)
    assert site.said == [("gate", "drop", True), ("gate", "drop", False)]
    assert site.health.findings() == [("model", "ok", "learning what is usual here")]
    await site.hour(0.5)
    assert site.said[2:] == [("gate", "drop", True)]


async def test_a_restart_says_nothing_again(site):
    for mean in (0.7, 0.5):
        await site.hour(mean)
    site.db.close()
    site.start()
    await site.hour(0.5)
    assert site.said == [("gate", "drop", True)]
    assert list(site.health.alarms()) == ["gate"]


@pytest.mark.parametrize("what", ["model", "confidence", "camera"])
async def test_another_model_confidence_or_no_analysis_ends_it(site, what):
    for mean in (0.7, 0.5):
        await site.hour(mean)
    if what == "model":
        site.state = VisionState("running", 0, "nano", "", 0)
    elif what == "confidence":
        site.look(DetectSettings(min_confidence=0.6))
    else:
        site.health.apply([])
    await site.health.judge()
    assert site.said == [("gate", "drop", True), ("gate", "drop", False)]
    assert await site.db.read(model_health.alarms) == {}


async def test_motion_has_no_confidence_to_lose(site):
    site.state = VisionState("running", 0, "motion", "", 0)
    for mean in (0.7, 0.2):
        await site.hour(mean)
    assert site.said == [] and site.health.verdicts()["gate"].state == "unjudged"


async def test_a_disk_that_takes_nothing_loses_nothing_and_rings_once(site):
    site.health.beat(beat(0.7))
    site.clock.tick(61)
    write, site.db.write = site.db.write, refuse
    with pytest.raises(OSError, match="full"):
        await site.health.store()
    site.db.write = write
    await site.health.store()
    rows = await site.db.read(lambda c: model_health.rows(c, "gate", "femto", "sub 0.40", 0))
    assert [row.classes["person"].boxes for row in rows] == [2]


async def refuse(work: Any) -> None:
    raise OSError("the disk is full")


async def test_after_thirty_days_it_is_forgotten(site):
    await site.hour(0.7)
    site.clock.tick(30 * 86_400 - 3600 - 1)
    await site.health.store()
    assert await site.db.read(lambda c: len(model_health.rows(c, "gate", "femto", "sub 0.40", 0))) == 1
    site.clock.tick(2)
    await site.health.store()
    assert await site.db.read(lambda c: len(model_health.rows(c, "gate", "femto", "sub 0.40", 0))) == 0
