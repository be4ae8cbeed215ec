"""The vision worker: ``python -m appliance.vision.worker FD``, a child of the daemon.

Main thread: orders in, heartbeats and stills out. One thread per camera decodes and gates (``lane``);
two take what is worth a look from the ``batcher``, detect and track (``looker``, with ``models``). It
ends when the daemon closes the control socket, and never outlives it.
"""

import logging
import os
import select
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import av

from appliance.base.errors import ApplianceError
from appliance.vision.decoding.camera import Open as DecoderOpen
from appliance.vision.decoding.paths import Measured, choose
from appliance.vision.detectors import Picture
from appliance.vision.detectors.choice import this_machine
from appliance.vision.looking.batcher import Batcher
from appliance.vision.messages import (
    Beat,
    Change,
    Close,
    ClosePast,
    Gone,
    Hello,
    LaneReport,
    Open,
    OpenPast,
    Order,
    Report,
    StillOrder,
    StillReport,
    Unframer,
    Use,
    order_decoder,
    pack,
)
from appliance.vision.worker.ahead import get_ready
from appliance.vision.worker.lane import Lane
from appliance.vision.worker.looker import Judge, Lookers
from appliance.vision.worker.models import Models, reason_of
from appliance.vision.worker.past import Past
from appliance.vision.worker.priority import NICE
from appliance.vision.worker.sandbox import die_with_parent, limit_memory
from appliance.vision.worker.still import encode

log = logging.getLogger("appliance.vision.worker")

BEAT_S = 0.5


class Worker:
    """``prepare`` is called with the first order, and ends in the sandbox."""

    def __init__(self, control: socket.socket, prepare: Callable[[Hello], Sequence[Measured]]) -> None:
        self._control = control
        self._prepare = prepare
        self._paths: Mapping[str, DecoderOpen] = {}
        self._send_lock = threading.Lock()  # points and beats come from three threads
        self._lanes: dict[str, Lane] = {}
        self._pasts: dict[str, Past] = {}
        self._judges: dict[str, Judge] = {}
        self._judging = threading.Lock()  # opening and closing against the lookers
        self._batcher: Batcher[Picture] = Batcher()
        self._hello: Hello | None = None
        self._models: Models | None = None
        self._lookers: Lookers | None = None
        self._number = 0

    def run(self) -> None:
        unframer = Unframer()
        descriptors: list[int] = []
        beat_at = 0.0
        while True:
            # No beat before the first order is obeyed, which takes longer: with it, the short deadline holds.
            wait_s = None if self._hello is None else max(0.0, beat_at - time.monotonic())
            if select.select([self._control], [], [], wait_s)[0]:
                data, passed, _, _ = socket.recv_fds(self._control, 1 << 16, 64)
                descriptors += passed
                if not data:
                    return
                for body in unframer.feed(data):
                    self._obey(order_decoder.decode(body), descriptors)
            if self._hello is not None and time.monotonic() >= beat_at:
                beat_at = time.monotonic() + BEAT_S
                self._beat()

    def _obey(self, order: Order, descriptors: list[int]) -> None:
        match order:
            case Hello():
                self._hello = order
                self._paths = choose(self._prepare(order), order.decoder)
                if order.memory_bytes and not this_machine().nvidia:  # its driver reserves far more
                    limit_memory(order.memory_bytes)
                models = self._models = Models(order, self._send, self._end)
                self._lookers = Lookers(models, self._batcher, self._judges, self._judging, self._end)
                self._lookers.start()
            case Open():
                self._open(order, socket.socket(fileno=descriptors.pop(0)))
            case OpenPast():
                self._open_past(order, socket.socket(fileno=descriptors.pop(0)))
            case Change(watch=watch):
                if (known := self._lanes.get(watch.camera_id)) is not None:
                    known.change(watch)
            case Close(camera_id=camera_id):
                self._close(camera_id)
            case ClosePast(span_id=span_id):
                if (past := self._pasts.pop(span_id, None)) is not None:
                    with self._judging:
                        del self._judges[past.key]
                    past.close()
            case StillOrder():
                self._still(order)
            case Use():
                assert self._models is not None
                self._models.use(order)

    def _open(self, order: Open, connection: socket.socket) -> None:
        lane = Lane(order.watch, connection, self._batcher, self._next_id, self._send, self._paths)
        lane.tracker.resume(order.memory, order.seeds)
        with self._judging:
            self._lanes[order.watch.camera_id] = self._judges[order.watch.camera_id] = lane
        lane.start()

    def _open_past(self, order: OpenPast, connection: socket.socket) -> None:
        past = Past(order, connection, self._batcher, self._next_id, self._send)
        self._pasts[order.span_id] = past
        with self._judging:
            self._judges[past.key] = past
        past.start()

    def _close(self, camera_id: str) -> None:
        with self._judging:  # waits for a look in progress: nothing may follow an ``end``
            self._judges.pop(camera_id, None)
            if (lane := self._lanes.pop(camera_id, None)) is not None:
                lane.finish()

    def _still(self, order: StillOrder) -> None:
        lane = self._lanes.get(order.camera_id)
        frame = lane.frame_near(order.time_ns) if lane is not None else None
        if frame is None:
            self._send(StillReport(order.number, b"", "no frame of that time is in memory"))
            return
        try:
            self._send(StillReport(order.number, encode(frame, order.box)))
        except (av.FFmpegError, ValueError) as error:
            self._send(StillReport(order.number, b"", f"the frame cannot be encoded: {error}"))

    def _beat(self) -> None:
        if self._models is None or self._lookers is None:
            self._send(Beat({}, 0.0, (), {}))
            return
        if hopeless := self._models.tick():
            self._end(ApplianceError("unavailable", hopeless))
        with self._judging:
            lanes = {camera_id: lane.report() for camera_id, lane in self._lanes.items()}
            for lane in self._lanes.values():
                lane.remember()
        busy_s, taken_ms = round(self._lookers.busy_s(), 3), self._lookers.taken_ms()
        self._send(Beat(lanes, busy_s, taken_ms, _by_class(lanes), self._models.loading))

    def _end(self, error: Exception) -> None:
        """Called in any thread: say why, and be gone. Threads inside C libraries must not hold it up."""
        log.error("%s", reason_of(error), exc_info=None if isinstance(error, ApplianceError) else error)
        try:
            self._send(Gone(reason_of(error)))
        finally:
            os._exit(1)

    def _next_id(self) -> str:
        assert self._hello is not None
        self._number += 1
        return f"{self._hello.epoch}-{self._number}"

    def _send(self, report: Report) -> None:
        data = pack(report)
        with self._send_lock:
            self._control.sendall(data)


def _by_class(lanes: dict[str, LaneReport]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for lane in lanes.values():
        total.update({name: count for name, (count, _) in lane.seen.items()})
    return dict(total)


def main() -> int:
    die_with_parent()
    logging.basicConfig(stream=sys.stderr, format="vision worker: %(message)s", level=logging.INFO)
    av.logging.set_level(av.logging.PANIC)  # its lines name strangers' data; errors are counted
    os.nice(NICE)
    try:
        Path("/proc/self/oom_score_adj").write_text("500")  # if something must die, not the recorder
    except OSError:
        pass
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        Worker(control, get_ready).run()
    except (ConnectionError, BrokenPipeError):
        pass
    os._exit(0)  # threads inside C libraries must not hold up the end


if __name__ == "__main__":
    sys.exit(main())
