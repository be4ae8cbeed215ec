"""The vision worker: ``python -m appliance.vision.worker FD``, a child of the daemon.

Main thread: orders in, heartbeats and stills out. One thread per camera decodes (``decode.Lane``).
One thread loads the detector, then takes pictures from the slots, detects and tracks. It ends when
the daemon closes the control socket, and never outlives it.
"""

import logging
import os
import select
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import av

from appliance.base.errors import ApplianceError
from appliance.base.model import TrackPoint
from appliance.vision import detectors
from appliance.vision.detectors import Detections, Detector, Picture
from appliance.vision.looking.schedule import Slots
from appliance.vision.messages import (
    Beat,
    Change,
    Close,
    Hello,
    Open,
    Order,
    Points,
    Ready,
    Report,
    StillOrder,
    StillReport,
    Unframer,
    order_decoder,
    pack,
)
from appliance.vision.packs import installed
from appliance.vision.worker.lane import Lane
from appliance.vision.worker.sandbox import confine, die_with_parent
from appliance.vision.worker.still import encode

log = logging.getLogger("appliance.vision.worker")

BEAT_S = 0.5
NICE = 5  # recording comes first


class Worker:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._send_lock = threading.Lock()  # points and beats come from two threads
        self._lanes: dict[str, Lane] = {}
        self._lanes_lock = threading.Lock()  # opening and closing against the detector's thread
        self._slots: Slots[Picture] = Slots()
        self._hello: Hello | None = None
        self._number = 0
        self._detect_since = 0.0
        self._inference_ms: list[float] = []
        self._detections: Counter[str] = Counter()

    # -- main thread ------------------------------------------------------------------------

    def run(self) -> None:
        unframer = Unframer()
        descriptors: list[int] = []
        beat_at = time.monotonic()  # the first at once: from now on the short deadline holds
        while True:
            wait_s = max(0.0, beat_at - time.monotonic())
            if select.select([self._control], [], [], wait_s)[0]:
                data, passed, _, _ = socket.recv_fds(self._control, 1 << 16, 64)
                descriptors += passed
                if not data:
                    return
                for body in unframer.feed(data):
                    self._obey(order_decoder.decode(body), descriptors)
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + BEAT_S
                self._beat()

    def _obey(self, order: Order, descriptors: list[int]) -> None:
        match order:
            case Hello():
                self._hello = order
                threading.Thread(target=self._detect_forever, name="detect", daemon=True).start()
            case Open(watch=watch, seeds=seeds):
                lane = Lane(watch, socket.socket(fileno=descriptors.pop(0)), self._slots, self._next_id)
                lane.tracker.seed(seeds)
                with self._lanes_lock:
                    self._lanes[watch.camera_id] = lane
                lane.start()
            case Change(watch=watch):
                if (known := self._lanes.get(watch.camera_id)) is not None:
                    known.change(watch)
            case Close(camera_id=camera_id):
                self._close(camera_id)
            case StillOrder():
                self._still(order)

    def _close(self, camera_id: str) -> None:
        with self._lanes_lock:  # waits for a look in progress: nothing may follow an ``end``
            lane = self._lanes.pop(camera_id, None)
            if lane is not None:
                lane.close()
                self._slots.forget(camera_id)
                self._send_points(lane.tracker.finish())

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
        since = self._detect_since
        inference_ms, self._inference_ms = self._inference_ms, []
        detections, self._detections = self._detections, Counter()
        self._send(
            Beat(
                {camera_id: lane.report() for camera_id, lane in self._lanes.items()},
                round(time.monotonic() - since, 3) if since else 0.0,
                tuple(inference_ms),
                dict(detections),
            )
        )

    # -- the detector's thread --------------------------------------------------------------

    def _detect_forever(self) -> None:
        assert self._hello is not None
        try:
            self._detect_since = time.monotonic()
            detector, ready = load_detector(self._hello)
            self._detect_since = 0.0
            self._send(ready)
            while True:
                picture = self._slots.take(timeout_s=10.0)
                if picture is not None:
                    self._look(detector, picture)
        except BrokenPipeError:
            os._exit(0)  # the daemon is gone
        except Exception:  # drivers and runtimes raise what they like, and only a new process is clean
            log.exception("the detector's thread failed")
            os._exit(1)  # the daemon starts another worker, with a fresh driver and heap

    def _look(self, detector: Detector, picture: Picture) -> None:
        began = time.monotonic()
        self._detect_since = began
        (found,) = detector.detect([picture])
        took_ms = round((time.monotonic() - began) * 1000, 3)
        with self._lanes_lock:
            lane = self._lanes.get(picture.camera_id)
            if lane is not None:
                lane.looked += 1
                lane.inference_ms.append(took_ms)
                wanted = of_classes(found, detector.labels, lane.watch.classes)
                for number in wanted.classes[wanted.scores >= lane.watch.min_confidence].tolist():
                    self._detections[detector.labels[number]] += 1
                motion = picture.motion
                points = lane.tracker.update(picture.time_ns, wanted, detector.labels, motion)
                self._send_points(points)
        self._inference_ms.append(took_ms)
        self._detect_since = 0.0

    # -- both -------------------------------------------------------------------------------

    def _next_id(self) -> str:
        assert self._hello is not None
        self._number += 1
        return f"{self._hello.epoch}-{self._number}"

    def _send_points(self, points: list[TrackPoint]) -> None:
        if points:
            self._send(Points(points))

    def _send(self, report: Report) -> None:
        data = pack(report)
        with self._send_lock:
            self._control.sendall(data)


def load_detector(hello: Hello) -> tuple[Detector, Ready]:
    """The chosen detector; ``motion`` where it cannot be had, with the reason."""
    began = time.monotonic()
    directories = [Path(directory) for directory in hello.models_dirs]
    pack_, reason = installed.choose(hello.choice, directories)
    if pack_ is not None:
        try:
            detector = detectors.make(detectors.choose_backend(pack_)[0])
            detector.load(pack_, hello.threads)
            load_ms = (time.monotonic() - began) * 1000
            return detector, Ready(pack_.name, detector.labels, reason, round(load_ms, 1))
        except ApplianceError as error:
            reason = str(error)
    detector = detectors.make("motion")
    detector.load(None, hello.threads)
    return detector, Ready(detector.name, detector.labels, reason, 0.0)


def of_classes(found: Detections, labels: tuple[str, ...], classes: tuple[str, ...]) -> Detections:
    """Only the wanted classes. A detector that knows none of them (``motion``) is not filtered:
    something that moves is worth more than silence."""
    numbers = [number for number, label in enumerate(labels) if label in classes]
    if not numbers:
        return found
    keep = (found.classes[:, None] == numbers).any(axis=1)
    return found.only(keep)


def main() -> int:
    die_with_parent()
    logging.basicConfig(stream=sys.stderr, format="vision worker: %(message)s", level=logging.INFO)
    av.logging.set_level(av.logging.PANIC)  # its lines name strangers' data; errors are counted
    os.nice(NICE)
    try:
        Path("/proc/self/oom_score_adj").write_text("500")  # if something must die, not the recorder
    except OSError:
        pass
    try:
        import onnxruntime  # noqa: F401  # before the sandbox, and beside nothing else
    except ImportError:
        pass  # another backend, or ``motion``
    if not confine():
        log.warning("no seccomp here: the worker runs with no_new_privs and rlimits only")
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        Worker(control).run()
    except (ConnectionError, BrokenPipeError):
        pass
    os._exit(0)  # threads inside C libraries must not hold up the end


if __name__ == "__main__":
    sys.exit(main())
