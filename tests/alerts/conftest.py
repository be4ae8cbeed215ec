"""A database on disk, a manual clock, a still that is there at once, and an intake on top."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.alerts.bell import JournalBell
from appliance.alerts.intake import Intake
from appliance.alerts.stills import Stills
from appliance.alerts.track_archive import TrackArchive
from appliance.base.clock import ManualClock
from appliance.base.errors import not_found
from appliance.base.model import Box, Rule, TrackPoint, Zone
from appliance.rules.engine import Engine
from appliance.store import alerts, events, journal, targets
from appliance.store.alerts import AlertFilter
from appliance.store.database import Database
from appliance.store.events import EventFilter
from appliance.store.targets import Target

SECOND_NS = 1_000_000_000


class Yard:
    """One camera, one room in its picture; everything an intake needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.start_ns = self.clock.now_ns()
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="FULL")
        self.tracks_db = Database.open(folder / "tracks.db", "tracks", synchronous="NORMAL")
        self.bell = JournalBell()
        self.asked: list[tuple[str, int, Box | None]] = []
        self.has_picture = True
        self.stills = Stills(folder / "stills", self.still)
        self.recorded = {"gate"}
        self.owed = 0
        self.room = Zone("room", "gate", "Room", "polygon", ((0.4, 0.4), (0.8, 0.4), (0.8, 0.8), (0.4, 0.8)))

    async def still(self, camera_id: str, time_ns: int, box: Box | None) -> bytes:
        self.asked.append((camera_id, time_ns, box))
        if not self.has_picture:
            raise not_found("frame in memory of camera", camera_id)
        return b"boxed" if box else b"plain"

    def rule(self, **fields) -> Rule:
        base = {"id": "enter", "name": "Enter", "kind": "zone_enter", "zone_ids": ("room",), "cooldown_s": 0}
        return Rule(**(base | fields))

    def intake(self, *rules: Rule, already_there=()) -> Intake:
        def owed() -> None:
            self.owed += 1

        engine = Engine(rules or [self.rule()], [self.room], already_there=already_there)
        return Intake(
            self.db,
            self.clock,
            engine,
            self.stills,
            self.bell,
            device_id="box",
            records=lambda camera_id: camera_id in self.recorded,
            archive=TrackArchive(self.tracks_db),
            on_owed=owed,
        )

    def walk(self, *xs: float, begin_s: float = 0.0, track_id="w1-1", ends=False) -> list[TrackPoint]:
        points = []
        for number, x in enumerate(xs):
            phase = "start" if number == 0 else "end" if ends and number == len(xs) - 1 else "update"
            time_ns = self.start_ns + round((begin_s + 0.2 * number) * SECOND_NS)
            box = Box(x - 0.05, 0.4, 0.1, 0.2)
            points.append(TrackPoint("gate", track_id, time_ns, "person", 0.8, box, phase))
        return points

    def findings(self, intake: Intake, *xs: float, **how):
        return intake._engine.feed(self.walk(*xs, **how))

    def events(self):
        return self.db.read_now(lambda c: events.page(c, EventFilter(), 1000))[0]

    def alerts(self):
        return self.db.read_now(lambda c: alerts.page(c, AlertFilter(), 1000))[0]

    def journal(self):
        return self.db.read_now(lambda c: journal.since(c, 0, 1000))

    def add_target(self, target_id="cloud", **fields) -> None:
        target = Target(target_id, fields.pop("url", "https://cloud.example/in"), **fields)
        self.db.write_now(lambda c: targets.put(c, target, None))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Turns of the loop (threads answer through it) until ``holds``; pytest's timeout ends it."""
        while not holds():
            await asyncio.sleep(0.001)

    def close(self) -> None:
        self.db.close()
        self.tracks_db.close()


@pytest.fixture
def yard(tmp_path: Path):
    made = Yard(tmp_path)
    yield made
    made.close()
