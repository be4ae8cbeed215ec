"""From pictures to people: vision worker -> rules -> events -> alerts -> outbox, wired together."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from appliance.alerts.bell import JournalBell
from appliance.alerts.desk import Desk
from appliance.alerts.expiry import DAY_NS, expire_events
from appliance.alerts.intake import Intake
from appliance.alerts.left_open import close_left_open
from appliance.alerts.notifying import Notifying
from appliance.alerts.record import record_of_box
from appliance.alerts.stills import Stills
from appliance.alerts.track_archive import TrackArchive
from appliance.base.clock import Clock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.base.model import Box, Camera, Severity
from appliance.base.supervision import supervise
from appliance.base.wire import time_or_none
from appliance.daemon.health import Finding
from appliance.daemon.looking_back import LookingBack
from appliance.daemon.models.health import HINT, ModelHealth
from appliance.daemon.stores import Stores
from appliance.media.play.archive import Archive
from appliance.media.record.recorder import Recorder
from appliance.rules.engine import Engine
from appliance.rules.priority import weights
from appliance.store import (
    blind_spans,
    channels,
    journal,
    retention_held,
    rules,
    settings,
    tracker_memory,
    tracks,
    zones,
)
from appliance.store.journal import JournalType
from appliance.store.model_health import Alarm
from appliance.sync.sync import Sync
from appliance.vision.host import engines
from appliance.vision.host.choice import UNDER_WAY
from appliance.vision.host.host import VisionHost
from appliance.vision.packs import choice as model_choice
from appliance.vision.packs.choice import Choice
from appliance.vision.state import Activation, VisionBeat, VisionState

log = logging.getLogger(__name__)

EXPIRY_S = 3600.0


class Analysis:
    """Everything behind a frame. Nothing of the recording waits for any of it (R9)."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        stores: Stores,
        device_id: str,
        archive: Archive,
        choice: Choice,
    ) -> None:
        self._clock, self._stores, self._archive = clock, stores, archive
        self._db = stores.appliance
        self._device_id = device_id
        self._choice = self._choice_before = choice
        self._phase = ""  # of the change under way
        self.on_beat: Callable[[VisionBeat], None] = lambda _: None
        self._taps: dict[str, str] = {}  # camera -> the stream its tap hangs on
        self._recording: frozenset[str] = frozenset()
        self._streams: dict[str, str] = {}
        self.bell = JournalBell()
        self.vision = VisionHost(
            clock,
            config.models_path,
            choice.detector,
            backend=choice.backend,
            asset_dirs=config.assets_path,
            engines_dir=config.data_dir / engines.FOLDER,
            threads=max(1, (os.cpu_count() or 2) // 2),  # the other half records and decodes
            memories=stores.tracks.read_now(tracker_memory.load),
            on_metrics=self._beat,
            on_state=self._vision_changed,
            on_memory=self._remember,
            on_activation=self._activation_changed,
        )
        self.health = ModelHealth(clock, stores.tracks, self.vision.state, self._model_alarm)
        self.stills = Stills(config.data_dir / "stills", self._still)
        self.sync = Sync(self._db, stores.sealer, clock, device_id)
        self.notifying = Notifying(self._db, stores.sealer, clock, device_id, self.still_of_event)
        self.bell.listen(self.notifying.wake)
        self._past: LookingBack | None = None
        self.desk = Desk(self._db, clock, self.bell, on_owed=self.sync.wake)

    async def start(self, stack: AsyncExitStack) -> None:
        """Run until ``stack`` closes."""
        await self._close_left_open()
        self.bell.newest = await self._db.read(journal.newest)
        self.intake = await self._make_intake()
        self.vision.on_tracks = self.intake.ingest
        self.vision.on_blind = self.intake.blinded
        stack.push_async_callback(self.intake.close)
        stack.push_async_callback(self.health.close)
        past = self._past = LookingBack(
            self._clock, self._stores, self._archive, self.vision, self.intake, self._streams.get
        )
        await past.resume()
        stack.push_async_callback(past.close)
        tasks = [
            asyncio.create_task(supervise("vision", self.vision.run, self._clock), name="vision"),
            asyncio.create_task(supervise("intake", self.intake.run, self._clock), name="intake"),
            asyncio.create_task(supervise("sync", self.sync.run, self._clock), name="sync"),
            asyncio.create_task(supervise("notifying", self.notifying.run, self._clock), name="notifying"),
            asyncio.create_task(supervise("sight", past.note_once, self._clock), name="sight"),
            asyncio.create_task(supervise("past", past.look_once, self._clock), name="past"),
            asyncio.create_task(supervise("expiry", self._expire, self._clock), name="expiry"),
            asyncio.create_task(supervise("model health", self.health.run, self._clock), name="model health"),
        ]
        stack.push_async_callback(_cancel, tasks)

    async def _close_left_open(self) -> None:
        try:
            count = await close_left_open(self._db, self._stores.tracks, self._clock.now_ns())
        except ApplianceError as error:  # a full disk is no reason not to look; the next start ends them
            log.error("events of before the start stay open: %s", error)
        else:
            if count:
                log.info("%d events that were open at the stop are ended", count)

    async def _make_intake(self) -> Intake:
        site = (await self._db.read(settings.load)).site
        engine = Engine(
            await self._db.read(rules.list_rules),
            await self._db.read(zones.list_zones),
            site.time_zone,
            await self._stores.tracks.read(tracks.presences),
        )
        return Intake(
            self._db, self._clock, engine, self.stills, self.bell,
            device_id=self._device_id,
            records=lambda camera_id: camera_id in self._recording,
            archive=TrackArchive(self._stores.tracks),
            on_owed=self.sync.wake,
        )  # fmt: skip

    async def apply(self, cameras: list[Camera], recorder: Recorder) -> None:
        """These cameras from now on; ``recorder`` has them already."""
        self._recording = frozenset(c.id for c in cameras if c.enabled and c.record.mode != "off")
        wanted = {c.id: c.detect.stream for c in cameras if c.enabled and c.detect.enabled}
        for camera_id in [k for k, stream in self._taps.items() if wanted.get(k) != stream]:
            recorder.remove_tap(camera_id, self.vision.tap(camera_id))
            del self._taps[camera_id]
        self.health.apply(cameras)
        await self.vision.apply(cameras)
        known = {camera.id for camera in cameras if camera.archived_ns is None}
        self._stores.tracks.offer(lambda conn: tracker_memory.keep(conn, known))
        await self._weigh()
        for camera_id, stream in wanted.items():
            key = recorder.real_key(camera_id, stream)
            self._streams[camera_id] = key[1]
            if camera_id not in self._taps or not recorder.has_tap(
                camera_id, stream, self.vision.tap(camera_id)
            ):
                recorder.remove_tap(camera_id, self.vision.tap(camera_id))
                recorder.add_tap(camera_id, stream, self.vision.tap(camera_id))
                self._taps[camera_id] = stream

    async def _weigh(self) -> None:
        found = await self._db.read(rules.list_rules)
        self.vision.weigh(weights(found, await self._db.read(zones.list_zones)))

    def _remember(self, camera_id: str, memory: bytes) -> None:
        now_ns = self._clock.now_ns()
        self._stores.tracks.offer(lambda conn: tracker_memory.put(conn, camera_id, now_ns, memory))

    async def reload_rules(self) -> None:
        await self._weigh()
        site = (await self._db.read(settings.load)).site
        found = await self._db.read(rules.list_rules)
        self.intake.replace(found, await self._db.read(zones.list_zones), site.time_zone)

    async def use(self, choice: Choice) -> None:
        """Another detector or backend, or the same where it does not look or its shadow is cut short: beside
        the old one first, for ``shadow_s``."""
        activation = self.vision.activation()
        phase = "" if activation is None or activation.own else activation.phase
        under_way, before = phase in UNDER_WAY, self._choice
        if (choice.detector, choice.backend) == (before.detector, before.backend):
            is_shorter = phase in ("loading", "shadow") and choice.shadow_s < before.shadow_s
            if not is_shorter and (under_way or not self._stands_in):
                return
        await self.vision.use(choice.detector, choice.backend, choice.shadow_s)
        if not under_way:  # else what was chosen before that one is still what to go back to
            self._choice_before = self._choice
        self._choice = choice

    async def look_again(self) -> None:
        """A model was installed: where something only stands in for what was chosen, or for want of any
        model, the choice is tried once more."""
        if self._stands_in:
            await self.vision.use(self._choice.detector, self._choice.backend)

    @property
    def _stands_in(self) -> bool:
        """Something else than what was chosen looks, or than what would be, were it there."""
        state = self.vision.state()
        return not self.vision.as_chosen or (state.state == "running" and bool(state.reason))

    def _activation_changed(self, activation: Activation) -> None:
        """What failed must not be taken again at the next start."""
        now_ns, phase = self._clock.now_ns(), activation.phase
        if phase != self._phase:
            self._phase = phase
            data = {"what": "model", "model": activation.wanted, "phase": phase, "reason": activation.reason}
            self.tell("system", None, now_ns, data)
            if phase in ("refused", "rolled_back"):
                log.warning(
                    "model %s was %s: %s", activation.wanted, phase.replace("_", " "), activation.reason
                )
        failed, back = self._choice, self._choice_before
        if phase == "active":
            self._choice_before = self._choice
        elif phase in ("refused", "rolled_back") and failed != back and not activation.own:
            self._choice = back
            self._db.offer(
                lambda conn: model_choice.put_back(conn, failed.detector, back, activation.reason, now_ns)
            )

    def _beat(self, beat: VisionBeat) -> None:
        self.health.beat(beat)
        self.on_beat(beat)

    async def reload_targets(self) -> None:
        self.sync.reload()
        self.sync.wake()  # what was parked may wait again

    async def still_of_event(self, event_id: str, with_box: bool) -> bytes | None:
        return await self.stills.read(event_id, with_box)

    async def _still(self, camera_id: str, time_ns: int, box: Box | None) -> bytes:
        """The worker's frame, or, where it has none any more, one decoded from the ring."""
        try:
            return await self.vision.still(camera_id, time_ns, box)
        except ApplianceError:
            stream = self._streams.get(camera_id, "main")
            source = await self._archive.frame_source(camera_id, stream, time_ns)
            return await self.vision.still_from(source, box)

    def tell(self, type_: JournalType, camera_id: str | None, now_ns: int, data: dict[str, Any]) -> None:
        """One line of the journal: what guards' screens show next. Never waits."""
        self._submit(lambda conn: journal.append(conn, type_, camera_id, now_ns, data))

    def alarm(
        self,
        type_: str,
        metadata: dict[str, Any],
        *,
        severity: Severity = "critical",
        camera_id: str = "",
    ) -> None:
        """An alert (for ``info``: an event alone) about the box itself, or a camera of it. Never waits."""
        now_ns = self._clock.now_ns()
        self._submit(
            lambda conn: record_of_box(
                conn, type_, metadata, now_ns, self._device_id, severity=severity, camera_id=camera_id
            )
        )
        self.sync.wake()

    def _submit(self, work: Callable[[sqlite3.Connection], int]) -> None:
        """``work`` answers with a journal position, which is rung when it is committed."""
        loop = asyncio.get_running_loop()
        future = self._db.submit(work)

        def ring() -> None:
            if not future.cancelled() and future.exception() is None:
                self.bell.ring(future.result())

        def done(_: object) -> None:
            try:
                loop.call_soon_threadsafe(ring)
            except RuntimeError:
                pass  # the loop is closing

        future.add_done_callback(done)

    def _model_alarm(self, alarm: Alarm, began: bool) -> None:
        now_ns = self._clock.now_ns()
        if began:
            metadata = {"detail": alarm.detail, "hint": HINT, "model": alarm.model}
            self._submit(
                lambda conn: record_of_box(
                    conn, "model_drift", metadata, now_ns, self._device_id,
                    severity="warning", camera_id=alarm.camera_id,
                )
            )  # fmt: skip
            self.sync.wake()
        data = {"what": "model_health", "camera_id": alarm.camera_id, "kind": alarm.kind, "began": began}
        self.tell("system", alarm.camera_id, now_ns, data)

    def _vision_changed(self, state: VisionState) -> None:
        data = {
            "what": "analysis",
            "state": state.state,
            "since": time_or_none(state.since_ns),
            "detector": state.detector,
            "reason": state.reason,
        }
        self.tell("system", None, self._clock.now_ns(), data)

    def findings(self) -> list[Finding]:
        past = [] if self._past is None else self._past.findings()
        return [self._finding(), *past, *self.health.findings(), *self.notifying.findings()]

    def _finding(self) -> Finding:
        state = self.vision.state()
        if state.state == "down":
            since = "" if self._past is None else f" since {self._past.since(state.since_ns)}"
            return ("analysis", "failing", f"blind{since}: {state.reason}")
        runs = f" on {state.backend}" if state.backend and state.state == "running" else ""
        text = f"{state.detector}{runs}: {state.state}" + (f" ({state.reason})" if state.reason else "")
        change = self.vision.activation()
        if state.state == "running" and change is not None and change.phase == "trial" and not change.own:
            text += f"; on trial: {change.before or 'nothing'} looks again if it fails"
            return ("analysis", "ok", text)
        is_well = state.state != "starting" and self.vision.as_chosen
        return ("analysis", "ok" if is_well else "degraded", text)

    async def _expire(self) -> None:
        """Once an hour; the supervisor calls again."""
        now_ns = self._clock.now_ns()
        found = await self._db.read(lambda conn: retention_held.in_force(conn, now_ns))
        await expire_events(self._db, self.stills, self._clock, found.event_days)
        before_ns = self._clock.now_ns() - round(found.event_days * DAY_NS)
        await self._db.write(lambda conn: blind_spans.prune(conn, before_ns))
        await self._db.write(lambda conn: channels.prune(conn, before_ns))
        await self._clock.sleep(EXPIRY_S)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
