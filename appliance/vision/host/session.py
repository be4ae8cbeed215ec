"""One worker process from its start to its end, seen from the daemon."""

import asyncio
import logging
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.base.clock import MS_NS, SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Box, TrackPoint
from appliance.vision.host.child import how_it_ended, kill, resident_bytes, start_worker
from appliance.vision.host.feed import Feed
from appliance.vision.messages import (
    Beat,
    Change,
    Close,
    ClosePast,
    Gone,
    Hello,
    LaneReport,
    Memory,
    Open,
    OpenPast,
    Order,
    PastDone,
    PastPoints,
    Points,
    Ready,
    Report,
    StillOrder,
    StillReport,
    Trial,
    Unframer,
    Use,
    Watch,
    pack,
    report_decoder,
)
from appliance.vision.state import VisionBeat, VisionFigures

log = logging.getLogger(__name__)

START_TIMEOUT_S = 20.0  # to the first beat: a cold disk under a Python start
BEAT_TIMEOUT_S = 4.0
DETECT_TIMEOUT_S = 10.0  # one batch
QUICK, QUICK_TIMEOUT_S = 10, 4.0  # after so many looks, each ...
QUICK_SHARE = 0.05  # ... within so much of it, the detector is known to be quick and is given less
LOAD_TIMEOUT_S = 60.0  # the model, and its first slow run
DECODE_TIMEOUT_S = 5.0  # one packet
CHECK_S = 0.5
EXIT_S = 1.0  # from the end of its socket to the end of the process


class Session:
    """``start``, ``open`` cameras, then ``watch`` until it ends; ``end`` always."""

    def __init__(
        self,
        clock: Clock,
        on_points: Callable[[list[TrackPoint]], None],
        on_ready: Callable[[Ready], None],
        on_metrics: Callable[[VisionBeat], None],
        on_memory: Callable[[str, bytes], None],
        on_trial: Callable[[Trial], None],
    ) -> None:
        self.decoder_hung = False
        self.loading_hung = False
        self.backend = ""  # which runs, or was to run, its model
        self._looks, self._slowest_ms = 0, 0.0
        self._looked_ns = (0, 0)  # first, last
        self._most_bytes = 0
        self.on_lanes: Callable[[dict[str, LaneReport]], None] = lambda _: None
        self._past: dict[str, Callable[[PastPoints | PastDone | None], None]] = {}
        self._clock = clock
        self._on_points, self._on_ready, self._on_metrics = on_points, on_ready, on_metrics
        self._on_memory, self._on_trial = on_memory, on_trial
        self._control: socket.socket | None = None
        self._process: Process | None = None
        self._feeds: dict[str, tuple[Watch, Feed]] = {}
        self._figures: dict[str, VisionFigures] = {}
        self._reports: dict[str, tuple[int, LaneReport]] = {}
        self._latency_ms: dict[str, float] = {}
        self._stills: dict[int, asyncio.Future[bytes]] = {}
        self._number = 0
        self._ready = False
        self._heard_ns = 0
        self._heard = False
        self._stuck = ""
        self._failure: str | None = None
        self._over = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self, hello: Hello, engines: Path | None = None) -> None:
        self._control, theirs = _pair()  # ``end`` closes it, wherever this is cut short
        with theirs:
            self._process = await start_worker(theirs.fileno(), engines)
        self._heard_ns = self._clock.monotonic_ns()
        self._most_bytes = hello.memory_bytes
        self._send(hello)

    @property
    def looked_s(self) -> float:
        """From its detector's first look to its last."""
        first_ns, last_ns = self._looked_ns
        return (last_ns - first_ns) / SECOND_NS

    @property
    def ready(self) -> bool:
        """A detector looks."""
        return self._ready

    def use(self, order: Use) -> None:
        """Change to another, once one looks."""
        self._send(order)

    def open(self, watch: Watch, feed: Feed, memory: bytes, seeds: Sequence[TrackPoint] | None) -> None:
        ours, theirs = _pair()
        with theirs:
            self._send(Open(watch, memory, None if seeds is None else tuple(seeds)), theirs.fileno())
        self._disconnect(feed)
        self._feeds[watch.camera_id] = watch, feed
        feed.connect(ours)

    def change(self, watch: Watch) -> None:
        self._feeds[watch.camera_id] = watch, self._feeds[watch.camera_id][1]
        self._send(Change(watch))

    def close(self, camera_id: str) -> None:
        _, feed = self._feeds.pop(camera_id)
        self._disconnect(feed)
        self._reports.pop(camera_id, None)
        self._figures.pop(camera_id, None)
        self._send(Close(camera_id))

    def open_past(
        self, order: OpenPast, heard: Callable[[PastPoints | PastDone | None], None]
    ) -> socket.socket:
        """The caller writes the packets, and closes the socket. ``heard(None)``: this worker is gone."""
        ours, theirs = _pair()
        with theirs:
            self._send(order, theirs.fileno())
        self._past[order.span_id] = heard
        return ours

    def close_past(self, span_id: str) -> None:
        """Nothing is heard of it any more."""
        if self._past.pop(span_id, None) is not None:
            self._send(ClosePast(span_id))

    def stop(self, reason: str) -> None:
        """``watch`` returns None: this end is wanted."""
        log.info("the vision worker is stopped: %s", reason)
        self._over.set()

    async def still(self, camera_id: str, time_ns: int, box: Box | None) -> bytes:
        """Empty where the worker has no such frame."""
        self._number += 1
        number = self._number
        answer = self._stills[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(StillOrder(number, camera_id, time_ns, box))
            jpeg: bytes = await answer
            return jpeg
        finally:
            self._stills.pop(number, None)

    def figures(self) -> dict[str, VisionFigures]:
        return self._figures

    async def watch(self, idle: Callable[[], bool]) -> str | None:
        """Until the worker fails (why), or is no longer wanted (None)."""
        listener = asyncio.ensure_future(self._listen())
        try:
            while not self._over.is_set():
                try:
                    await asyncio.wait_for(self._over.wait(), CHECK_S)
                except TimeoutError:
                    self._check()
                if idle():
                    return None
            return self._failure
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def end(self) -> None:
        """Take everything from the worker and make sure that it is gone."""
        for _, feed in self._feeds.values():
            self._disconnect(feed)
        self._feeds.clear()
        while self._past:
            self._past.popitem()[1](None)
        for answer in self._stills.values():
            if not answer.done():
                answer.set_exception(ApplianceError("unavailable", "the vision worker ended", "try again"))
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            kill(self._process)  # it has nothing to put away
            await self._process.wait()

    # -- what the worker says ---------------------------------------------------------------

    async def _listen(self) -> None:
        assert self._control is not None
        loop, unframer = asyncio.get_running_loop(), Unframer()
        try:
            while data := await loop.sock_recv(self._control, 1 << 18):
                for body in unframer.feed(data):
                    self._hear(report_decoder.decode(body))
            await self._ended()
        except asyncio.CancelledError:
            raise
        except OSError:
            await self._ended()
        except Exception as error:  # one broken message or callback must not end the watching
            log.exception("a report of the vision worker")
            self._fail(f"{type(error).__name__}: {error}")

    async def _ended(self) -> None:
        """Its socket is closed: the process is about to end, and its status says how."""
        assert self._process is not None
        try:
            status = await asyncio.wait_for(self._process.wait(), EXIT_S)
        except TimeoutError:
            status = None
        self._fail(how_it_ended(status))

    def _hear(self, report: Report) -> None:
        match report:
            case Points(points=points):
                now_ns = self._clock.now_ns()
                for point in points:
                    if point.phase != "end":
                        self._latency_ms[point.camera_id] = (now_ns - point.time_ns) / MS_NS
                self._on_points(points)
            case Beat():
                self._heard_ns, self._heard = self._clock.monotonic_ns(), True
                self._beat(report)
            case Memory(camera_id=camera_id, data=data):
                self._on_memory(camera_id, data)
            case Trial():
                self._on_trial(report)
            case Gone(reason=reason):
                self._fail(reason)
            case Ready(detector=detector, load_ms=load_ms, backend=backend):
                self.backend = backend
                log.info(
                    "detector %s is ready after %.0f ms on %s: %s", detector, load_ms, backend, report.because
                )
                self._ready = True
                self._on_ready(report)
            case PastPoints(span_id=span_id) | PastDone(span_id=span_id):
                if (heard := self._past.get(span_id)) is not None:
                    heard(report)
            case StillReport(number=number, jpeg=jpeg):
                answer = self._stills.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(jpeg)

    def _beat(self, beat: Beat) -> None:
        self._note_looks(beat.inference_ms)
        pack, backend = beat.loading
        self.backend = backend or self.backend
        if not self._ready and beat.detect_busy_s > LOAD_TIMEOUT_S:
            self.loading_hung = True
            self._stuck = f"{pack} on {backend} was not loaded within {beat.detect_busy_s:.0f} s"
        elif self._ready and beat.detect_busy_s > self._look_limit_s():
            self._stuck = f"the detector has been at one picture for {beat.detect_busy_s:.0f} s"
        for camera_id, lane in beat.lanes.items():
            if lane.busy_s > DECODE_TIMEOUT_S:
                self.decoder_hung = True
                self._stuck = f"the decoder of {camera_id} has been at one packet for {lane.busy_s:.0f} s"
        self.on_lanes(beat.lanes)
        now_ns = self._clock.monotonic_ns()
        for camera_id, lane in beat.lanes.items():
            if camera_id in self._feeds:
                self._figures[camera_id] = self._figure(camera_id, lane, now_ns)
        seen = {camera_id: lane.seen for camera_id, lane in beat.lanes.items() if lane.seen}
        self._on_metrics(VisionBeat(dict(self._figures), beat.inference_ms, beat.detections, seen))

    def _note_looks(self, inference_ms: Sequence[float]) -> None:
        if inference_ms:
            now_ns = self._clock.monotonic_ns()
            self._looked_ns = self._looked_ns[0] or now_ns, now_ns
            self._looks += len(inference_ms)
            self._slowest_ms = max(self._slowest_ms, *inference_ms)

    def _look_limit_s(self) -> float:
        is_quick = self._looks >= QUICK and self._slowest_ms <= QUICK_SHARE * QUICK_TIMEOUT_S * 1000
        return min(DETECT_TIMEOUT_S, QUICK_TIMEOUT_S) if is_quick else DETECT_TIMEOUT_S

    def _figure(self, camera_id: str, lane: LaneReport, now_ns: int) -> VisionFigures:
        watch, feed = self._feeds[camera_id]
        then_ns, before = self._reports.get(camera_id, (0, None))
        figure = self._figures.get(camera_id, VisionFigures(watch.fps))
        done, looks = figure.fps_done, figure.looks_per_s
        if before is None or now_ns - then_ns >= 2 * SECOND_NS:
            if before is not None:
                seconds = (now_ns - then_ns) / SECOND_NS
                judged = lane.selected - before.selected - (lane.skipped - before.skipped)
                done = round(max(0, judged) / seconds, 2)
                looks = round((lane.looked - before.looked) / seconds, 2)
            self._reports[camera_id] = now_ns, lane
        return VisionFigures(
            fps_wanted=watch.fps,
            fps_done=done,
            looks_per_s=looks,
            skipped=lane.skipped + feed.skipped,
            queue_depth=lane.waiting,
            inference_ms=lane.inference_ms,
            latency_ms=round(self._latency_ms.get(camera_id, 0.0), 1),
            decode_errors=lane.errors,
            decoder=lane.decoder,
            decode_ms=lane.decode_ms,
        )

    # -- the deadline -----------------------------------------------------------------------

    def _check(self) -> None:
        silent_s = (self._clock.monotonic_ns() - self._heard_ns) / SECOND_NS
        if silent_s > (BEAT_TIMEOUT_S if self._heard else START_TIMEOUT_S):
            self._fail(f"no sign of life for {silent_s:.0f} s")
        elif self._stuck:
            self._fail(self._stuck)
        elif self._most_bytes and (taken := resident_bytes(self.pid or 0)) > self._most_bytes:
            may = f"{taken / 1e9:.1f} GB of memory, and may take {self._most_bytes / 1e9:.1f}"
            mend = "choose a smaller model, or analyse fewer or smaller streams"
            self._fail(f"the vision worker took {may}: {mend}")

    def _fail(self, reason: str) -> None:
        if self._failure is None:
            self._failure = reason
        self._over.set()

    # -- what we say ------------------------------------------------------------------------

    def _send(self, order: Order, descriptor: int | None = None) -> None:
        """Orders are small; a worker that does not take them is stuck, and is replaced."""
        if self._control is None:
            return
        data = pack(order)
        try:
            passed = [descriptor] if descriptor is not None else []
            sent = socket.send_fds(self._control, [data], passed, socket.MSG_NOSIGNAL)
        except OSError as error:
            self._fail(f"the vision worker takes no orders: {error.strerror}")
            return
        if sent < len(data):
            self._fail("the vision worker takes no orders: its socket is full")

    def _disconnect(self, feed: Feed) -> None:
        if (descriptor := feed.fileno()) >= 0:
            asyncio.get_running_loop().remove_writer(descriptor)
        feed.disconnect()


def _pair() -> tuple[socket.socket, socket.socket]:
    """(ours, non-blocking; the child's)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    return ours, theirs
