"""The health of the model on each camera: beats in, hours stored, a warning once where it sees worse."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.model import Camera
from appliance.daemon.health import Finding
from appliance.store import model_health
from appliance.store.database import Database
from appliance.store.model_health import Alarm, AlarmKind
from appliance.vision.health.judge import HISTORY_NS, Verdict, is_over, judge
from appliance.vision.health.tally import Tally
from appliance.vision.state import VisionBeat, VisionState

STORE_S = 60.0
JUDGE_EVERY = 5  # stores
KEPT_NS = 30 * 86_400 * SECOND_NS
BUILT_IN = "motion"  # its scores say how large something is, not how sure
HINT = "look at the picture: dirt, focus, light, a camera that was moved; if it is fine, try another model"

_TEXTS = {
    "low": "the model's mean score of the last day is {level:.2f}, where {usual:.2f} is usual here",
    "drop": "the model's mean score fell to {level:.2f} within the hour, where {usual:.2f} was expected",
}


class ModelHealth:
    """``apply`` cameras, ``beat`` on the loop, ``run`` for ever, ``close`` at the end.

    ``on_alarm`` is called on the loop with each alarm and True when it begins, False when the camera
    has recovered. What is open survives a restart, so that nothing is said twice.
    """

    def __init__(
        self,
        clock: Clock,
        db: Database,
        vision: Callable[[], VisionState],
        on_alarm: Callable[[Alarm, bool], None],
    ) -> None:
        self._clock, self._db, self._vision, self._on_alarm = clock, db, vision, on_alarm
        self._conditions: dict[str, str] = {}
        self._tally = Tally()
        self._alarms: dict[str, Alarm] | None = None
        self._verdicts: dict[str, Verdict] = {}
        self._model = ""  # of the verdicts
        self._confidence: dict[str, float] = {}

    def apply(self, cameras: Iterable[Camera]) -> None:
        """What scores depend on, besides the model, is part of what is compared."""
        self._conditions = {
            camera.id: f"{camera.detect.stream} {camera.detect.min_confidence:.2f}"
            for camera in cameras
            if camera.enabled and camera.detect.enabled
        }

    def beat(self, beat: VisionBeat) -> None:
        state = self._vision()
        if state.state == "running":
            self._tally.beat(beat, self._clock.now_ns(), state.detector, self._conditions)

    async def run(self) -> None:
        turn = 0
        while True:
            await self._clock.sleep(STORE_S)
            await self.store()
            turn += 1
            if turn % JUDGE_EVERY == 0 or self._model != self._vision().detector:
                await self.judge()

    async def store(self) -> None:
        """The minutes that are over. What cannot be stored is added to the next ones."""
        rows = self._tally.take(self._clock.now_ns())
        self._confidence = {}
        for row in rows:
            if boxes := sum(sums.boxes for sums in row.classes.values()):
                score_sum = sum(sums.score_sum for sums in row.classes.values())
                self._confidence[row.key.camera_id] = score_sum / boxes
        before_ns = self._clock.now_ns() - KEPT_NS

        def work(conn: sqlite3.Connection) -> None:
            model_health.add(conn, rows)
            model_health.prune(conn, before_ns)

        try:
            await self._db.write(work)
        except BaseException:  # cancelled or refused: either way they are not lost
            self._tally.give_back(rows)
            raise

    async def judge(self) -> None:
        """Every camera that is analysed now, under the model that looks now."""
        if self._alarms is None:
            self._alarms = await self._db.read(model_health.alarms)
        state = self._vision()
        verdicts: dict[str, Verdict] = {}
        for camera_id, conditions in list(self._conditions.items()):
            verdicts[camera_id] = await self._judge_one(camera_id, state.detector, conditions)
            await asyncio.sleep(0)
        for camera_id in self._alarms.keys() - self._conditions.keys():
            await self._end(camera_id)
        self._verdicts, self._model = verdicts, state.detector

    async def close(self) -> None:
        rows = self._tally.finish()
        if rows:
            await self._db.write(lambda conn: model_health.add(conn, rows))

    def verdicts(self) -> dict[str, Verdict]:
        """As they were judged last, by camera; what was said of another model is no word of this one."""
        if self._verdicts and self._model != self._vision().detector:
            return dict.fromkeys(self._verdicts, Verdict("learning"))
        return self._verdicts

    def alarms(self) -> dict[str, Alarm]:
        return {} if self._alarms is None else dict(self._alarms)

    def confidence(self) -> dict[str, float]:
        """Mean score of the last minute, of each camera that had a box in it."""
        return self._confidence

    def findings(self) -> list[Finding]:
        """No names: strangers read it."""
        count = len(self.alarms())
        if count:
            text = f"less sure than usual on {count} of {len(self._conditions)} cameras"
            return [("model", "degraded", text)]
        states = {verdict.state for verdict in self.verdicts().values()}
        if "ok" in states:
            return [("model", "ok", "as sure as usual")]
        unjudged = "what looks has no confidence to judge"
        return [("model", "ok", unjudged if "unjudged" in states else "learning what is usual here")]

    async def _judge_one(self, camera_id: str, model: str, conditions: str) -> Verdict:
        now_ns = self._clock.now_ns()
        alarm = self.alarms().get(camera_id)
        if alarm is not None and (alarm.model, alarm.conditions) != (model, conditions):
            await self._end(camera_id)
            alarm = None

        def look(conn: sqlite3.Connection) -> tuple[Verdict, bool]:
            rows = model_health.rows(conn, camera_id, model, conditions, now_ns - HISTORY_NS)
            verdict = judge(rows, now_ns)
            return verdict, alarm is not None and is_over(alarm, rows, verdict, now_ns)

        verdict, over = await self._db.read(look)  # in a reader's thread: two weeks are some milliseconds
        if model == BUILT_IN:
            return msgspec.structs.replace(
                verdict, state="unjudged", level=None, usual=None, ratio=None, trend=()
            )
        if over:
            await self._end(camera_id)
        elif alarm is None and verdict.state in ("low", "drop"):
            kind: AlarmKind = "low" if verdict.state == "low" else "drop"
            detail = _TEXTS[kind].format(level=verdict.level, usual=verdict.usual)
            await self._raise(Alarm(camera_id, model, conditions, kind, now_ns, verdict.reference_ns, detail))
        return verdict

    async def _raise(self, alarm: Alarm) -> None:
        # In memory first: a disk that takes no row must not make it ring every five minutes.
        assert self._alarms is not None
        self._alarms[alarm.camera_id] = alarm
        self._on_alarm(alarm, True)
        await self._db.write(lambda conn: model_health.raise_alarm(conn, alarm))

    async def _end(self, camera_id: str) -> None:
        assert self._alarms is not None
        ended = self._alarms.pop(camera_id)
        self._on_alarm(ended, False)
        await self._db.write(lambda conn: model_health.end_alarm(conn, camera_id))
