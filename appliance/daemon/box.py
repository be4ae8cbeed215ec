"""The running box: one ordered list of parts, closed in reverse.

Recording starts as soon as the databases are open and recovered; everything behind it may fail or
be slow without it.
"""

import asyncio
import itertools
import logging
import os
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from appliance import __version__
from appliance.base.clock import SECOND_NS, BoxClock, boot_id
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.base.model import Camera, CameraStatus, Credentials
from appliance.base.redaction import forbid
from appliance.base.supervision import supervise
from appliance.base.wire import status_json
from appliance.daemon import health as looks
from appliance.daemon.analysis import Analysis
from appliance.daemon.care.care import Care
from appliance.daemon.control import make_control, settings_version
from appliance.daemon.devices.behind_cameras import BehindCameras
from appliance.daemon.health import Finding, Health, LoopLag
from appliance.daemon.ledger_report import LedgerReports
from appliance.daemon.liveness import Liveness
from appliance.daemon.materials import RingMaterials
from appliance.daemon.metrics_report import MetricsReports
from appliance.daemon.models.listing import Models
from appliance.daemon.outside import Lamps, Mains
from appliance.daemon.pulse import Pulse
from appliance.daemon.reporting import Reporting
from appliance.daemon.serving import Served, serve, shown
from appliance.daemon.silence import Silence
from appliance.daemon.simulators import Simulators
from appliance.daemon.stores import Stores
from appliance.daemon.tending import Tending
from appliance.daemon.tunnel import TunnelPart
from appliance.daemon.update import make_inbox, update_findings
from appliance.media.camera.probe import ProbeReport, probe
from appliance.media.play.archive import Archive
from appliance.media.record.live import LiveHub
from appliance.media.record.recorder import Recorder, RecorderPorts
from appliance.media.ring import recovery
from appliance.media.ring.index import Index
from appliance.media.ring.retention import Retention, RetentionState
from appliance.media.ring.volumes import Volumes, open_volumes
from appliance.store import cameras as camera_rows
from appliance.store import settings as settings_rows
from appliance.sync.control.open_screen import Screens
from appliance.sync.sync import Ports
from appliance.system import ballast
from appliance.system.instance import Instance
from appliance.system.notify import Notifier
from appliance.vision.packs import choice
from appliance.vision.packs.choice import Choice
from appliance.web.app import make_app
from appliance.web.box import Box as WebBox

log = logging.getLogger(__name__)

SWITCH_S = 0.001  # packet threads wait for the GIL at most so long (measured: p99 of 64 threads)
PROBE_S = 8.0
READY_POLL_S = 0.05
BALLAST_S = 5.0
BALLAST_TURNS = 120
DETECTOR_NS = 3 * SECOND_NS
STATED = ("offline", "auth_failed", "disabled")


class Box:
    """``async with Box(config) as box`` starts everything; leaving it stops everything."""

    def __init__(self, config: Config, *, detector: str = "auto") -> None:
        self.config = config
        self.clock = BoxClock()
        self.health = Health(self.clock)
        self._detector = detector
        self._boot_id = boot_id()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._cameras: list[Camera] = []
        self._farewell: asyncio.Task[None] | None = None
        self.notifier = Notifier(os.environ)

    async def __aenter__(self) -> "Box":
        try:
            await self._start()
        except BaseException:  # a cancelled start, too, must leave no child, thread or lock behind
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.notifier.stopping()
        if kind is None or issubclass(kind, asyncio.CancelledError):  # else it is no stop on purpose
            # Said while the web and the duties close: they take about as long.
            self._farewell = asyncio.create_task(self.analysis.sync.farewell(), name="farewell")
        await self._stack.aclose()

    async def _start(self) -> None:
        """The ordered list. What stands later may use what stands earlier, and closes first."""
        sys.setswitchinterval(SWITCH_S)
        await asyncio.to_thread(ballast.free, self.config.data_dir)
        self._stack.enter_context(Instance.hold(self.config.data_dir))
        await self._open_stores()
        await self._open_volumes()
        await self._start_recorder()
        await self._start_analysis()
        await self._start_behind_cameras()
        await self._start_web()
        self._start_duties()
        self.health.started = True

    async def _open_stores(self) -> None:
        self.stores = await asyncio.to_thread(Stores.open, self.config)
        self._stack.callback(self.stores.close)
        self.db = self.stores.appliance
        self.device_id = await self.db.write(
            lambda conn: settings_rows.ensure_device_id(conn, self.clock.now_ns())
        )
        self.health.add(lambda: looks.database_finding(self.db))
        self.health.add(lambda: looks.clock_finding(self.clock))

    async def _open_volumes(self) -> None:
        self.index = Index(self.stores.archive)
        self.volumes: Volumes = await asyncio.to_thread(
            open_volumes, list(self.config.volumes), self.db, self.device_id, self.clock,
            self.config.durability_s, self.index.closed, self.index.dropped,
        )  # fmt: skip
        done = await asyncio.to_thread(recovery.recover, self.db, self.stores.archive, self.volumes)
        if done.mended or done.garbage:
            log.info("recovered %d segments, took out %d files", len(done.mended), done.garbage)
        self.volumes.start()
        self.health.add(lambda: looks.volume_findings(self.volumes))

    async def _start_recorder(self) -> None:
        self._simulators = Simulators(self.clock, allow_files=self.config.allow_file_sources)
        self._stack.push_async_callback(self._simulators.close)
        self.recorder = Recorder(
            RecorderPorts(
                self.clock, self._boot_id, self.db, self.stores.archive, self.volumes, self.index,
                LiveHub(asyncio.get_running_loop()), self.config.segment_s, self._credentials,
                self._simulators.resolve,
                self._pin, self._keep_pin, self.config.durability_s,
            )
        )  # fmt: skip
        self._stack.push_async_callback(self.recorder.close)
        self.archive = Archive(
            self.db, self.stores.archive, self.volumes, self.index, self.clock, self.recorder
        )
        self._stack.callback(self.archive.close)
        self._cameras = await self.db.read(camera_rows.list_cameras)
        await self.recorder.apply(self._cameras)
        # Now, not at the first duty: a box that dies while its analysis starts was not switched off.
        self.db.offer(lambda conn: recovery.note_alive(conn, self.clock.now_ns(), self._boot_id))
        self.health.add(lambda: looks.camera_findings(self.recorder.statuses().values()))

    async def _start_analysis(self) -> None:
        self.analysis = Analysis(
            self.config, self.clock, self.stores, self.device_id, self.archive, await self._choice()
        )
        self.updates = make_inbox(self.config, self.clock)
        self.health.add(lambda: update_findings(self.updates))
        tls = await asyncio.to_thread(shown, self.config, self.clock)
        screens = Screens(
            self.db, self.stores.sealer, self.clock, lambda: self.served.connect(tls), lambda: tls.fingerprint
        )
        self.control = make_control(
            self.config, self.stores, self.clock, self.archive, self.updates,
            screens=screens,
            changed=self.changed, ring=self.analysis.bell.ring, on_owed=self.analysis.sync.wake,
        )  # fmt: skip
        self._stack.push_async_callback(screens.close)
        self.analysis.sync.ports = self._ports()
        await self.analysis.start(self._stack)
        self._stack.push_async_callback(self._have_said_farewell)  # before the way to the hub closes
        self.health.add(self.analysis.findings)
        self.recorder.on_change(self._camera_changed)
        await self._apply_analysis()

    async def _start_behind_cameras(self) -> None:
        self.behind = BehindCameras(
            self.db, self.clock, self.device_id, self.analysis.intake,
            statuses=self.recorder.statuses, credentials=self._credentials,
            moved=lambda: self.changed("cameras"), ring=self.analysis.bell.ring,
        )  # fmt: skip
        self.analysis.intake.on_alarm = self.behind.relays.fire
        await self.behind.start(self._stack)

    async def _have_said_farewell(self) -> None:
        if self._farewell is not None:
            await self._farewell

    def _ports(self) -> Ports:
        """What targets are lent: the ring's files, how the box is, whom to tell that orders wait."""
        stills, folder = self.analysis.stills, self.config.data_dir / "targets"
        return Ports(
            RingMaterials(self.db, self.archive, self.volumes, stills, self.clock, folder),
            Pulse(self.health, self.recorder, self.volumes, self.clock, self._boot_id,
                  lambda: self.db.read(settings_version)),
            self.control.wake,
        )  # fmt: skip

    async def _choice(self) -> Choice:
        """The command line's choice, else the one that a person activated."""
        if self._detector != "auto":
            return Choice(self._detector)
        return await self.db.read(choice.read)

    async def _start_web(self) -> None:
        care = Care(self.config, self.db, self.clock)
        self._stack.push_async_callback(care.close)
        box = WebBox(
            self.db, self.clock, self.stores.sealer, self.device_id, __version__, self.config.data_dir,
            self.health, self.recorder, self.archive, self.analysis.vision, self.analysis.desk,
            self.analysis.bell, self._probe, self.analysis.still_of_event, self.changed,
            self.config.volumes, self.config.allow_file_sources,
            Models(
                self.config,
                self.analysis,
                None if self._detector == "auto" else self._detector,
                self.clock,
            ),
            self.control,
            senders=self.analysis.sync, devices=self.behind.devices,
            notifying=self.analysis.notifying, updates=self.updates, support=care.support_now, care=care,
        )  # fmt: skip
        self.analysis.on_beat = box.metrics.beat
        self.served: Served = await serve(self._stack, make_app(box), self.config, self.clock)

    def _start_duties(self) -> None:
        lag = LoopLag(self.clock)
        self.health.add(lag.findings)
        retention = Retention(
            self.db, self.stores.archive, self.volumes, self.clock,
            on_state=self._retention_changed, make_room=lambda: ballast.free(self.config.data_dir) > 0,
        )  # fmt: skip
        self.health.add(lambda: retention_findings(retention.state))
        tending = Tending(self.clock, self._boot_id, self.db, self.index, self.recorder, lag, self.reload)
        liveness = Liveness(self.clock, lambda: self.recorder.works() + self.volumes.works(), self.notifier)
        self.health.add(liveness.findings)
        self._spawn("liveness", liveness.run())
        lamps = Lamps(self.health, self.clock, self.config.state_led, self.config.state_relay)
        mains = Mains(self.clock, self.analysis.alarm)
        silence = Silence(self.clock, self.recorder.statuses, self.analysis.alarm, self._name_of)
        self.health.add(lamps.findings)
        self.health.add(mains.findings)
        self.tunnel = TunnelPart(
            self.db, self.stores.sealer, self.clock, self.config.data_dir, self._boot_id,
            self.analysis.sync.retry_now,
        )  # fmt: skip
        self.health.add(self.tunnel.findings)
        reporting = Reporting(
            LedgerReports(self.db, self.stores.archive, self.clock),
            MetricsReports(
                self.db, self.clock, self.recorder, self.volumes.all, self.analysis.vision.figures
            ),
            self.clock, self.analysis.sync.wake,
        )  # fmt: skip
        self._spawn("reporting", supervise("reporting", reporting.run, self.clock))
        self._spawn("led", lamps.run_led())
        self._spawn("relay", lamps.run_relay())
        self._spawn("mains", mains.run())
        self._spawn("silence", supervise("silence", silence.run, self.clock))
        self._spawn("tending", tending.run())
        self._spawn("tunnel", self.tunnel.run())
        self._spawn("retention", retention.run())
        self._spawn("control", supervise("control", self.control.run, self.clock))
        self._spawn("whereabouts", self.behind.run())
        self._spawn("ballast", self._mind_ballast())
        self._stack.push_async_callback(self._cancel)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _mind_ballast(self) -> None:
        """Freed as soon as the disk is full: signing in, too, writes a row. Made again where there
        is room for it."""
        folder = self.config.data_dir
        for turn in itertools.count():
            if (folder / ballast.NAME).exists():
                await asyncio.to_thread(ballast.free, folder)
            elif turn % BALLAST_TURNS == 0:
                await asyncio.to_thread(ballast.fill, folder)
            await self.clock.sleep(BALLAST_S)

    # -- what changes while we run -------------------------------------------------------------

    async def changed(self, noun: str) -> None:
        """Something was edited through the web: apply it before the answer goes out."""
        if noun in ("cameras", "settings"):
            self._cameras = await self.db.read(camera_rows.list_cameras)
            await self.recorder.apply(self._cameras)
            await self._apply_analysis()
        if noun in ("zones", "rules", "settings", "cameras"):
            await self.analysis.reload_rules()
            await self.behind.apply()
        if noun in ("targets", "settings"):  # budgets speak of the site's day
            await self.analysis.reload_targets()
        if noun in ("targets", "hub"):
            self.control.reload()
        if noun == "channels":
            self.analysis.notifying.reload()

    async def reload(self) -> None:
        """A command beside us wrote to the database."""
        await self.changed("cameras")
        await self.changed("targets")
        await self.changed("channels")
        await self.analysis.use(await self._choice())

    async def _apply_analysis(self) -> None:
        await self.analysis.apply(self._cameras, self.recorder)

    def _name_of(self, camera_id: str) -> str:
        return next((camera.name for camera in self._cameras if camera.id == camera_id), camera_id)

    def _camera_changed(self, camera_id: str, stream: str, status: CameraStatus) -> None:
        if stream != "main":
            return
        now_ns = self.clock.now_ns()
        data = {"camera_id": camera_id, "status": status_json(status)}
        self.analysis.tell("camera", camera_id, now_ns, data)

    def _retention_changed(self, state: RetentionState) -> None:
        data = {"what": "storage", "level": state.level, "detail": state.detail, "hint": state.hint}
        self.analysis.tell("system", None, self.clock.now_ns(), data)
        # R6: locks leave no room, others took it, or the disk is gone: nothing is recorded there.
        what = {"stuck": "storage_full", "missing": "storage_missing"}.get(state.level)
        if what is not None:
            self.analysis.alarm(what, {"detail": state.detail, "hint": state.hint})

    # -- what parts ask for -------------------------------------------------------------------

    def _credentials(self, camera_id: str) -> Credentials | None:
        """Blocks; called in a thread."""
        sealed = self.db.read_now(lambda conn: camera_rows.secret(conn, camera_id))
        if sealed is None:
            return None
        try:
            plain = self.stores.sealer.open(sealed, camera_rows.secret_name(camera_id))
        except ApplianceError as error:
            # It is one camera's password: that one says auth_failed, the others record.
            log.error("%s", error)
            return None
        found = msgspec.msgpack.decode(plain, type=Credentials)
        forbid(found.password)
        return found

    def _pin(self, camera_id: str) -> str | None:
        """Called in the stream's thread."""
        return self.db.read_now(lambda conn: camera_rows.tls_pin(conn, camera_id))

    def _keep_pin(self, camera_id: str, pin: str) -> None:
        self.db.offer(lambda conn: camera_rows.set_tls_pin(conn, camera_id, pin))

    async def _probe(self, url: str, credentials: Credentials | None) -> ProbeReport:
        real = await self._simulators.resolve(url)
        return await asyncio.to_thread(probe, real, credentials, PROBE_S)

    async def wait_ready(self) -> None:
        """Until every enabled camera has a fragment on disk, or a state that says why not; and,
        for some seconds at most, until it is known which detector is in use."""
        until_ns = self.clock.monotonic_ns() + DETECTOR_NS
        while not all(self._camera_ready(camera) for camera in self._cameras):
            await self.clock.sleep(READY_POLL_S)
        while self.analysis.vision.state().state == "starting" and self.clock.monotonic_ns() < until_ns:
            await self.clock.sleep(READY_POLL_S)

    def _camera_ready(self, camera: Camera) -> bool:
        status = self.recorder.status(camera.id)
        if status.state in STATED or status.last_error is not None:
            return True
        if status.state == "live":
            return camera.record.mode == "off"
        return bool(self.index.open_spans(camera.id, "main"))


def retention_findings(state: RetentionState) -> list[Finding]:
    if state.level == "stuck":
        return [("retention", "failing", f"{state.detail} {state.hint}".strip())]
    if state.level in ("low", "missing"):
        return [("retention", "degraded", state.detail)]
    return [("retention", "ok", "within its limits")]
