"""The daemon's side of the vision worker: starts it, feeds it, watches it, starts it again.

Everything here runs on the event loop, except what ``feed`` does in stream threads. Nothing of the
recording waits for any of it (R9, V1).
"""

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError, not_found
from appliance.base.model import Box, Camera, TrackPoint
from appliance.base.supervision import BackOff
from appliance.media.fragment import Tap
from appliance.vision.host import engines
from appliance.vision.host.child import kill, most_bytes, start_still
from appliance.vision.host.choice import Choice
from appliance.vision.host.engines import Engines
from appliance.vision.host.feeds import Feeds
from appliance.vision.host.open_tracks import OpenTracks
from appliance.vision.host.session import Session
from appliance.vision.host.sight import Sight
from appliance.vision.messages import Hello, LaneReport, Ready, Trial, Use, Watch
from appliance.vision.state import Activation, VisionBeat, VisionFigures, VisionState

log = logging.getLogger(__name__)

STILL_TIMEOUT_S = 3.0
ONE_SHOT_TIMEOUT_S = 10.0
ONE_SHOTS = 2  # at once: each is a process
HEALTHY_AFTER_S = 10.0  # a worker that lived so long is replaced at once


class FrameSource(Protocol):
    """``media.archive``'s: the GOP up to a moment; samples of (bytes, pts_90k, time_ns)."""

    @property
    def codec(self) -> str: ...
    @property
    def codec_config(self) -> bytes: ...
    @property
    def samples(self) -> Sequence[tuple[bytes, int, int]]: ...


class VisionHost:
    """Construct, ``apply`` the cameras, add each ``tap`` to its analysed stream, ``run`` for ever.

    ``detector_choice``: ``auto``, ``motion`` or a pack's name; packs and bare models are looked for
    in ``models_dir`` and then in ``asset_dirs``. ``memories``: what the trackers knew when the daemon
    before this one stopped (camera -> bytes). ``worker_bytes``: the most memory that the worker may
    take; None: half of the box's. The callbacks are called on the loop and must return at once:
    ``on_tracks`` with points (V5), ``on_blind`` with the cameras nobody looks through from now on,
    ``on_metrics`` twice a second, ``on_state`` with each change,
    ``on_memory`` where a tracker's memory changed, ``on_activation`` with the steps of a model change.
    ``engines_dir``: where TensorRT's engines are kept and built; without it none is.
    """

    def __init__(
        self,
        clock: Clock,
        models_dir: Path,
        detector_choice: str = "auto",
        *,
        backend: str = "auto",
        asset_dirs: Sequence[Path] = (),
        engines_dir: Path | None = None,
        threads: int = 1,
        worker_bytes: int | None = None,
        memories: Mapping[str, bytes] = MappingProxyType({}),
        on_tracks: Callable[[list[TrackPoint]], None] = lambda _: None,
        on_blind: Callable[[Collection[str]], None] = lambda _: None,
        on_metrics: Callable[[VisionBeat], None] = lambda _: None,
        on_state: Callable[[VisionState], None] = lambda _: None,
        on_memory: Callable[[str, bytes], None] = lambda _camera_id, _memory: None,
        on_activation: Callable[[Activation], None] = lambda _: None,
    ) -> None:
        self.on_tracks, self.on_blind = on_tracks, on_blind
        self.on_metrics, self.on_state = on_metrics, on_state
        self._clock = clock
        self.on_memory = on_memory
        self._choice = Choice(clock, detector_choice, backend, on_activation)
        self._models_dirs = (models_dir, *asset_dirs)
        self._engines_dir = engines_dir
        self._engines = None if engines_dir is None else Engines(engines_dir, self._models_dirs, self._news)
        self._because, self._why_not = "", ""
        self._threads = threads
        self._worker_bytes = most_bytes() if worker_bytes is None else worker_bytes
        self._ended: Session | None = None
        self._decoder = "auto"
        self._feeds = Feeds()
        self._watches: dict[str, Watch] = {}
        self._weights: dict[str, float] = {}
        self._tracks = OpenTracks(memories)
        self._session: Session | None = None
        self._changed = asyncio.Event()
        self._one_shots = asyncio.Semaphore(ONE_SHOTS)
        self.sight = Sight()
        self._state = VisionState("off", clock.now_ns(), detector_choice, "no camera is analysed", 0)

    # -- what others call -------------------------------------------------------------------

    def tap(self, camera_id: str) -> Tap:
        """The camera's tap, for the stream that its ``detect.stream`` names. Always the same one;
        it does nothing while the camera is not analysed."""
        return self._feeds.of(camera_id)

    async def apply(self, cameras: Sequence[Camera]) -> None:
        """These cameras, with these settings, from now on. Tracks of others end."""
        wanted = {
            camera.id: Watch(
                camera.id,
                camera.detect.fps,
                camera.detect.classes,
                camera.detect.min_confidence,
                self._weights.get(camera.id, 1.0) * camera.detect.fps,
                camera.detect.masks,
            )
            for camera in cameras
            if camera.enabled and camera.detect.enabled and camera.archived_ns is None
        }
        for camera_id in self._watches.keys() - wanted.keys():
            self._feeds.of(camera_id).enable(False)
            if self._session is not None:
                self._session.close(camera_id)
            del self._watches[camera_id]
            self.on_blind([camera_id])
            if ended := self._tracks.end(camera_id):
                self.on_tracks(ended)
        for camera_id, watch in wanted.items():
            before = self._watches.get(camera_id)
            self._watches[camera_id] = watch
            self._feeds.of(camera_id).enable(True)
            if self._session is not None and before is None:
                self._session.open(watch, self._feeds.of(camera_id), *self._tracks.of(camera_id))
            elif self._session is not None and before != watch:
                self._session.change(watch)
        self.sight.want(self._watches, self._clock.now_ns())
        self._changed.set()

    def weigh(self, weights: Mapping[str, float]) -> None:
        """How much each camera matters when there is more to look at than can be seen; 1 where nothing
        is said. A camera's share is that times its frame rate: all fall behind together."""
        self._weights = dict(weights)
        for camera_id, watch in self._watches.items():
            changed = msgspec.structs.replace(watch, weight=self._weights.get(camera_id, 1.0) * watch.fps)
            if changed != watch:
                self._watches[camera_id] = changed
                if self._session is not None:
                    self._session.change(changed)

    async def use(self, detector_choice: str, backend: str = "auto", shadow_s: float = 0.0) -> None:
        """Another detector: loaded beside the one that looks, which waits in reserve until the new one
        has proved itself. ``activation`` says how it goes."""
        if self._engines is not None:
            self._engines.leave()
        if self._session is None or not self._session.ready:
            self._choice.choose(detector_choice, backend)
            if self._session is not None:
                self._session.stop("another detector was chosen before the first was loaded")
        else:
            self._session.use(self._choice.begin(detector_choice, backend, shadow_s, self._state.detector))

    @property
    def as_chosen(self) -> bool:
        """What looks is what people chose; also while nothing looks yet."""
        looks = self._state.detector if self._state.state == "running" else self._choice.name
        return not self._choice.excuse and self._choice.name in ("auto", looks)

    def activation(self) -> Activation | None:
        """The last change of models, under way or over."""
        return self._choice.activation

    async def still(self, camera_id: str, time_ns: int, box: Box | None = None) -> bytes:
        """A JPEG of the analysed frame nearest to ``time_ns``, of the last two seconds.

        Raises ``not_found`` where there is none, ``unavailable`` without a worker.
        """
        if self._session is None:
            raise ApplianceError("unavailable", "analysis is not running", self._state.reason)
        try:
            jpeg = await asyncio.wait_for(self._session.still(camera_id, time_ns, box), STILL_TIMEOUT_S)
        except TimeoutError:
            raise ApplianceError("unavailable", "the vision worker did not answer", "try again") from None
        if not jpeg:
            raise not_found("frame in memory of camera", camera_id)
        return jpeg

    async def still_from(self, source: FrameSource, box: Box | None = None) -> bytes:
        """A JPEG of the last frame of ``source``, decoded by a one-shot child.

        Raises ``not_found`` where nothing decodes, ``unavailable`` after ten seconds.
        """
        samples = [(bytes(data), time_ns) for data, _, time_ns in source.samples]
        newest_ns = max((time_ns for _, time_ns in samples), default=0)
        request = msgspec.msgpack.encode(
            {
                "codec": source.codec,
                "codec_config": source.codec_config,
                "samples": samples,
                "time_ns": newest_ns,
                "box": box,
            }
        )
        async with self._one_shots:
            process = await start_still()
            try:
                jpeg, errors = await asyncio.wait_for(process.communicate(request), ONE_SHOT_TIMEOUT_S)
            except TimeoutError:
                raise ApplianceError("unavailable", "the still took too long", "try again") from None
            finally:
                kill(process)
                await process.wait()
        if not jpeg:
            log.info("no still: %s", errors.decode(errors="replace").strip()[-300:])
            raise ApplianceError("not_found", "that picture cannot be decoded", "choose another moment")
        return jpeg

    def state(self) -> VisionState:
        return self._state

    def figures(self) -> Mapping[str, VisionFigures]:
        """Of every analysed camera; zeros while there is no worker."""
        now = self._session.figures() if self._session is not None else {}
        return {
            camera_id: now.get(camera_id)
            or VisionFigures(watch.fps, skipped=self._feeds.of(camera_id).skipped)
            for camera_id, watch in self._watches.items()
        }

    @property
    def session(self) -> Session | None:
        """The worker that is there now."""
        return self._session

    def watch_of(self, camera_id: str) -> Watch | None:
        """How a camera is looked at now; None: it is not."""
        return self._watches.get(camera_id)

    @property
    def worker_pid(self) -> int | None:
        return None if self._session is None else self._session.pid

    # -- running ----------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever. The first restart is immediate, further ones wait 1, 2, 4 ... 60 s until a
        worker has lived for ten seconds."""
        self._feeds.begin()
        back_off = BackOff()
        failures = 0
        try:
            while True:
                await self._until_wanted()
                began_ns = self._clock.monotonic_ns()
                reason = await self._run_once()
                lived = self._clock.monotonic_ns() - began_ns > HEALTHY_AFTER_S * SECOND_NS
                if lived:
                    failures = 0
                    back_off.reset()
                if reason is None:  # stopped on purpose
                    continue
                self._tell_choice(reason)
                failures += 1
                log.warning("the vision worker is started again: %s", reason)
                self._say("down", reason, restarts=self._state.restarts + 1)
                if failures > 1:
                    await self._clock.sleep(back_off.next_s())
        finally:
            self._say("off", "the box is stopping")
            self._feeds.end()
            if self._engines is not None:
                await self._engines.close()

    def _tell_choice(self, reason: str) -> None:
        """A process that lives is not a detector that looks: one may hang at the first picture of a day."""
        ended = self._ended
        if ended is None:
            self._choice.worker_failed(reason, lived=False)
        elif not ended.decoder_hung:  # that is no fault of the model
            self._choice.worker_failed(
                reason,
                lived=ended.looked_s > HEALTHY_AFTER_S,
                backend=ended.backend,
                hopeless=ended.loading_hung,
            )

    async def _until_wanted(self) -> None:
        if not self._watches:
            self._say("off", "no camera is analysed")
        while not self._watches:
            self._changed.clear()
            await self._changed.wait()

    async def _run_once(self) -> str | None:
        """One worker's life: why it ended, or None where that was wanted."""
        self._say("starting", self._state.reason if self._state.state == "down" else "")
        epoch = f"{self._clock.now_ns() // 1_000_000:011x}{os.urandom(2).hex()}"
        session = Session(
            self._clock, self._points, self._ready, self.on_metrics, self._remember, self._trial
        )
        session.on_lanes = self._judged
        name, backend = self._choice.now
        try:
            dirs = tuple(map(str, self._models_dirs))
            hello = Hello(epoch, name, dirs, self._threads, backend, self._decoder, self._worker_bytes)
            await session.start(hello, self._engines_dir)
            self._session = session
            for camera_id, watch in self._watches.items():
                session.open(watch, self._feeds.of(camera_id), *self._tracks.of(camera_id))
            return await session.watch(self._idle)
        except (OSError, ApplianceError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            self._session, self._ended = None, session
            self.sight.blinded()
            if session.decoder_hung:  # a driver did, most likely: it would again
                self._decoder = "software"
            await session.end()
            self.on_blind(list(self._watches))

    def _idle(self) -> bool:
        if self._session is not None and self._session.ready and (order := self._own_order()) is not None:
            self._session.use(order)
        return not self._watches

    def _own_order(self) -> Use | None:
        """A change that nobody asked for: back to what was chosen, or to an engine that is there now."""
        looking = self._state.detector
        if (order := self._choice.retry(looking)) is not None or self._engines is None:
            return order
        if self._choice.under_way or (model := self._engines.take()) is None:
            return None
        return self._choice.upgrade(model, engines.BACKEND, engines.SHADOW_S, looking)

    def _ready(self, ready: Ready) -> None:
        self._because = ready.because
        self._state = msgspec.structs.replace(self._state, detector=ready.detector, backend=ready.backend)
        if self._engines is not None:
            self._engines.lacking(ready.lack, ready.because)
        self._news()
        # A model's place taken by the detector that needs none: it sees, but not what was asked for.
        self.sight.looking(right=ready.detector != "motion" or self._choice.name == "motion")
        self._why_not = ready.reason
        self._say("running", self._reason())

    def _reason(self) -> str:
        return "; ".join(filter(None, (self._choice.excuse, self._why_not)))

    def _trial(self, trial: Trial) -> None:
        self._choice.heard(trial)
        if trial.phase == "active" and self._state.state == "running":
            self._say("running", self._reason())  # the excuse of the one before is none for this one
        if self._engines is not None:
            self._engines.heard(trial)

    def _news(self) -> None:
        """Why this backend. Not told to ``on_state``: a build has a hundred steps."""
        words = "" if self._engines is None else self._engines.words
        self._state = msgspec.structs.replace(self._state, because=words or self._because)

    def _judged(self, lanes: Mapping[str, LaneReport]) -> None:
        for camera_id, lane in lanes.items():
            self.sight.judged(camera_id, lane.judged, lane.selected)

    def _say(self, state: str, reason: str, restarts: int | None = None) -> None:
        before = self._state
        since_ns = before.since_ns if before.state == state else self._clock.now_ns()
        changes = {"state": state, "since_ns": since_ns, "reason": reason}
        if restarts is not None:
            changes["restarts"] = restarts
        self._state = msgspec.structs.replace(before, **changes)
        if self._state != before:
            self.on_state(self._state)

    # -- tracks -----------------------------------------------------------------------------

    def _points(self, points: list[TrackPoint]) -> None:
        """Of a camera that is no longer analysed nothing more is heard: its tracks have ended."""
        fresh = [point for point in points if point.camera_id in self._watches]
        self._tracks.heard(fresh)
        if fresh:
            self.on_tracks(fresh)

    def _remember(self, camera_id: str, memory: bytes) -> None:
        if camera_id in self._watches:
            self._tracks.remember(camera_id, memory)
            self.on_memory(camera_id, memory)
