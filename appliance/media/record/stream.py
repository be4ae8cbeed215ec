"""One thread per stream: connect, read, fragment, record, hand on; again after each failure.

The thread demuxes and never decodes video. What it tells the rest of the box it tells by taps that
do not block, and by ``figures``, a value that is replaced as a whole and read without a lock (R9).
"""

import logging
import random
import threading
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.model import CameraState, CameraStatus, Credentials, GapCause
from appliance.base.supervision import BackOff
from appliance.media.camera.audio import AudioTrack, open_audio
from appliance.media.camera.certificate import Pinned
from appliance.media.camera.connect import connect
from appliance.media.camera.source import READ_TIMEOUT_S, RawPacket, Source, SourceFault
from appliance.media.fragment import TIMESCALE, Fragment, StreamInit, Tap
from appliance.media.mp4 import boxes, h26x
from appliance.media.mp4.fragmenter import Fragmenter, Timeline, ns_from_90k
from appliance.media.record.live import StreamFan
from appliance.media.record.recording import Recording, RunInfo
from appliance.media.record.rest import Turn
from appliance.media.record.runs import RunOrder
from appliance.media.work import Work

log = logging.getLogger(__name__)

NO_KEY_FRAME_S = 20.0  # a stream without a key frame for so long shows nothing to anybody
QUICK_RETRY_S = 0.25  # after a run that was healthy: most breaks are short
HEALTHY_RUN_S = 10.0
FIGURES_EVERY_NS = SECOND_NS
NO_ANSWER_S = 10.0  # of the disk: then nobody may read "recording" any more
REST_AFTER_NS = 5 * SECOND_NS  # a new connection sends its backlog first


class StreamSpec(NamedTuple):
    """What a stream thread needs to know; a change of it means a new thread."""

    camera_id: str
    stream: str
    url: str
    credentials: Credentials | None
    record: bool


class _Run:
    """The state of one run: gone when the connection or its parameters are."""

    def __init__(self, spec: StreamSpec, source: Source, sets: list[bytes], key: RawPacket, now_ns: int,
                 not_before_ns: int, order: RunOrder) -> None:  # fmt: skip
        self.sets = sets
        self.parameters = h26x.parse(source.codec, sets)
        self.timeline = Timeline(key.pts_90k, now_ns, not_before_ns)
        fps = source.fps or 15.0
        self.fragmenter = Fragmenter(self.parameters.reorder, int(TIMESCALE / fps))
        self.audio: AudioTrack | None = open_audio(source.audio)
        run_id = order.next_id(now_ns)
        audio = self.audio.parameters if self.audio else None
        init = boxes.init_segment(self.parameters, audio)
        video_init = boxes.init_segment(self.parameters) if audio else init
        self.info = RunInfo(run_id, self.parameters, init, self.timeline)
        codec = self.parameters.codec_string
        self.init = StreamInit(
            spec.camera_id, spec.stream, run_id, self.parameters.codec, f'video/mp4; codecs="{codec}"',
            video_init, self.parameters.config, self.parameters.width, self.parameters.height,
            self.timeline.anchor_ns,
        )  # fmt: skip


class StreamThread:
    """``start``, later ``stop`` (returns at once) and ``join``."""

    def __init__(
        self,
        spec: StreamSpec,
        clock: Clock,
        recording: Recording,
        fan: StreamFan,
        taps: Callable[[], tuple[Tap, ...]],
        on_status: Callable[[str, str, CameraStatus], None],
        delay_s: float = 0.0,
        pinned: Pinned | None = None,
        turn: Turn | None = None,
        order: RunOrder | None = None,
    ) -> None:
        self.spec = spec
        self._clock = clock
        self._recording = recording
        self._fan = fan
        self._more_taps = taps
        self._taps: tuple[Tap, ...] = (fan,)
        self._on_status = on_status
        self._delay_s = delay_s
        self._pinned = pinned
        self._turn = turn
        self._order = order or RunOrder()
        self._stop = threading.Event()
        self._stop_cause: GapCause = "restart"
        self._run: _Run | None = None
        self._frames = 0
        self._bytes = 0
        self._figured_ns = 0
        self._last_packet_ns: int | None = None
        self._fps: float | None = None
        self._bitrate: int | None = None
        self._reconnects = -1
        self._damaged = 0
        self._step: tuple[int, int] | None = None  # box clock before and after
        self._busy_ns = 0  # monotonic: since when it is at one packet, or at the end of a run
        self._unwritten_ns = 0  # monotonic: of the first video since then that reached no file
        self.status = CameraStatus("connecting", clock.now_ns())
        self._thread = threading.Thread(
            target=self._forever, name=f"{spec.camera_id}/{spec.stream}"[:60], daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self, cause: GapCause) -> None:
        """``cause``: what the ledger says of the time from now on."""
        self._stop_cause = cause
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """False where the thread still hangs in a read; it is a daemon thread and holds nothing."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def shown(self) -> CameraStatus:
        """``status``, unless this thread cannot replace it: it waits for a disk."""
        busy_ns = self._busy_ns
        if not busy_ns or self._clock.monotonic_ns() - busy_ns < NO_ANSWER_S * SECOND_NS:
            return self.status
        return replace(self.status, state="live", last_error="the disk does not answer")

    def work(self) -> Work | None:
        """None where it is to end."""
        if self._stop.is_set():
            return None
        since = [since_ns for since_ns in (self._busy_ns, self._unwritten_ns) if since_ns]
        name = f"stream {self.spec.camera_id}/{self.spec.stream}"
        return Work(name, self._thread.is_alive(), self._thread.native_id, min(since, default=0))

    def clock_stepped(self, step_ns: int) -> None:
        """Every run ends at a step of the box clock (R4, R8). ``step_ns``: how far it went."""
        now_ns = self._clock.now_ns()
        before_ns = self._step[0] if self._step else now_ns - step_ns
        self._step = (before_ns, now_ns)

    def _forever(self) -> None:
        back_off = BackOff()
        self._stop.wait(self._delay_s)
        while not self._stop.is_set():
            began_ns = self._clock.monotonic_ns()
            try:
                self._run_once()
            except SourceFault as fault:
                self._failed(fault.cause, str(fault))
            except Exception as error:  # the thread must outlive whatever a stranger's stream does
                log.exception("stream failed", extra={"camera": self.spec.camera_id})
                self._failed("no_video", f"unexpected {type(error).__name__}")
            self._busy_ns = self._unwritten_ns = 0
            lived_s = (self._clock.monotonic_ns() - began_ns) / SECOND_NS
            if lived_s > HEALTHY_RUN_S:
                back_off.reset()
                self._stop.wait(QUICK_RETRY_S * random.uniform(0.8, 1.2))
            else:
                self._stop.wait(back_off.next_s())
        self._end_run(self._stop_cause)

    def _run_once(self) -> None:
        """One connection, from connect to its end (always a ``SourceFault``, or a stop)."""
        source = connect(self.spec.url, self.spec.credentials, pinned=self._pinned)
        self._reconnects += 1
        try:
            opened_ns = key_ns = video_ns = self._clock.monotonic_ns()
            for packet in source.packets():
                if self._stop.is_set():
                    return
                if self._step is not None:
                    self._take_step()
                now_ns = self._clock.now_ns()
                mono_ns = self._busy_ns = self._clock.monotonic_ns()
                if packet.is_video:
                    video_ns = mono_ns
                    if packet.is_key:
                        key_ns = mono_ns
                    self._video(source, packet, now_ns)
                    if mono_ns - max(key_ns, opened_ns) > NO_KEY_FRAME_S * SECOND_NS:
                        raise SourceFault("no_video", "the camera sends no key frames")
                    if mono_ns - self._figured_ns >= FIGURES_EVERY_NS:
                        self._figure(mono_ns, now_ns)
                    if mono_ns - opened_ns > REST_AFTER_NS:
                        self._rest()
                else:
                    self._audio(packet, now_ns)
                    if mono_ns - max(video_ns, opened_ns) > READ_TIMEOUT_S * SECOND_NS:
                        raise SourceFault("no_video", "the camera sends sound, but no picture")
                self._busy_ns = 0  # from here on it waits for the camera
        finally:
            self._busy_ns = 0
            source.close()

    def _rest(self) -> None:
        """A stream that nobody watches or analyses is read a few times a second (``rest``). Only when
        the newest frame has been read, so that no backlog can grow."""
        run = self._run
        if run is None or self._turn is None or self._taps[1:] or self._more_taps() or self._fan.viewers:
            return
        if run.timeline.lag_ns < ns_from_90k(run.fragmenter.duration_90k):
            self._turn.sleep()

    def _take_step(self) -> None:
        step, self._step = self._step, None
        self._end_run("clock_jump")
        if step is not None and self.spec.record:
            self._recording.clock_stepped(*step)

    def _video(self, source: Source, packet: RawPacket, now_ns: int) -> None:
        run = self._run
        if packet.is_key:
            run = self._check_parameters(source, packet, now_ns)
        if run is None:
            return
        self._last_packet_ns = now_ns
        pts = run.timeline.place(packet.pts_90k, now_ns)
        fragment = run.fragmenter.video(packet.data, pts, run.timeline.wall_ns(pts), packet.is_key)
        self._frames += 1
        self._bytes += len(packet.data)
        self._put(fragment, run.fragmenter.duration_90k)
        if self._more_taps() != self._taps[1:]:
            self._welcome(run.init)
        for tap in self._taps:
            tap.put(fragment)

    def _put(self, fragment: Fragment, duration_90k: int) -> None:
        """Video that should reach a file, and since when it does not. A disk's fault has its own cause in
        the ledger; a stream of which nothing was ever written here is its camera's fault."""
        before = self._recording.bytes_written
        self._recording.put(fragment, duration_90k)
        written = self._recording.bytes_written > before
        if written or before == 0 or self._recording.fault is not None or not self.spec.record:
            self._unwritten_ns = 0
        elif not self._unwritten_ns:
            self._unwritten_ns = self._busy_ns

    def _welcome(self, init: StreamInit) -> None:
        """Somebody came or went: newcomers get the current GOP before the next fragment."""
        wanted = self._more_taps()
        for tap in wanted:
            if tap not in self._taps:
                tap.started(init)
                for _, item in self._fan.newest()[1]:
                    if isinstance(item, Fragment):
                        tap.put(item)
        self._taps = (self._fan, *wanted)

    def _audio(self, packet: RawPacket, now_ns: int) -> None:
        run = self._run
        if run is None or run.audio is None:
            return
        now_90k = (now_ns - run.timeline.anchor_ns) * 9 // 100_000
        fragment = run.audio.put(bytes(packet.data), now_90k, now_ns)
        if fragment is not None:
            self._recording.put(fragment, 0)

    def _check_parameters(self, source: Source, key: RawPacket, now_ns: int) -> "_Run | None":
        """The run that ``key`` belongs to: the same one, or a new one where parameters changed."""
        run = self._run
        try:
            found = h26x.parameter_sets(source.codec, h26x.split_length_prefixed(key.data))
        except ValueError:
            self._damaged += 1
            return run
        sets = found if len(found) >= (2 if source.codec == "h264" else 3) else None
        if run is not None and (sets is None or sets == run.sets):
            return run
        sets = sets or source.parameter_sets()
        if not sets:
            return None
        try:
            made = _Run(self.spec, source, sets, key, now_ns, self._recording.end_ns, self._order)
        except Exception as error:  # sets that make no sense raise anything; the run that is goes on
            log.warning("%s", error, extra={"camera": self.spec.camera_id})
            return run
        self._end_run("no_video")
        self._run = made
        if self.spec.record:
            self._recording.begin(made.info)
        self._taps = (self._fan, *self._more_taps())
        for tap in self._taps:
            tap.started(made.init)
        self._figured_ns = self._clock.monotonic_ns()
        self._frames = self._bytes = 0
        self._set_state("recording" if self.spec.record else "live", now_ns, None)
        return made

    def _failed(self, cause: GapCause, text: str) -> None:
        """The connection broke, or could not be made."""
        self._busy_ns = self._clock.monotonic_ns()
        if self._step is not None:
            self._take_step()
        now_ns = self._clock.now_ns()
        if self._run is not None:
            self._end_run("no_video")
            self._fps = self._bitrate = None
        elif self.spec.record:
            self._recording.ledger.refine(cause, now_ns)
        self._set_state("auth_failed" if cause == "auth_failed" else "offline", now_ns, text)

    def _end_run(self, cause: GapCause) -> None:
        if self._run is None:
            return
        self._run = None
        if self.spec.record:
            self._recording.end(cause)
        for tap in self._taps:
            tap.ended()

    def _figure(self, mono_ns: int, now_ns: int) -> None:
        if self._run is None:
            return
        passed_s = (mono_ns - self._figured_ns) / SECOND_NS
        self._fps = round(self._frames / passed_s, 1)
        self._bitrate = int(self._bytes * 8 / passed_s)
        self._figured_ns, self._frames, self._bytes = mono_ns, 0, 0
        fault = self._recording.fault
        state: CameraState = "recording" if self._recording.active else "live"
        self._set_state(state, now_ns, str(fault) if fault and self.spec.record else None)

    def _set_state(self, state: CameraState, now_ns: int, error: str | None) -> None:
        changed = state != self.status.state or error != self.status.last_error
        since_ns = now_ns if state != self.status.state else self.status.since_ns
        known = self._run.parameters if self._run else None
        self.status = CameraStatus(
            state, since_ns,
            known.codec if known else self.status.codec,
            known.width if known else self.status.width,
            known.height if known else self.status.height,
            self._fps, self._bitrate, self._last_packet_ns, max(0, self._reconnects), error,
        )  # fmt: skip
        if changed:
            self._on_status(self.spec.camera_id, self.spec.stream, self.status)
