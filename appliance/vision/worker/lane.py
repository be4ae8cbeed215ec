"""One thread per camera: packets in, picked frames out.

It decodes what the picked frames refer to, gates the frames the grid picks, and puts those worth a
look into the camera's slot. The picked frames of the last two seconds are kept, for stills.
"""

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache

import av
import numpy as np
from numpy.typing import NDArray

from appliance.vision.decoding.camera import CameraDecoder, Open
from appliance.vision.decoding.planes import luma
from appliance.vision.detectors import WEAKEST_TRACKED, Detections, Picture
from appliance.vision.detectors.motion import LABELS as MOTION_LABELS
from appliance.vision.looking.batcher import Batcher
from appliance.vision.looking.gate import Gate
from appliance.vision.looking.masks import covered
from appliance.vision.looking.schedule import Grid, Looks
from appliance.vision.messages import (
    CODEC_NAMES,
    CONFIG,
    ENDED,
    KEY,
    LaneReport,
    Memory,
    Points,
    Watch,
)
from appliance.vision.tracking.tracker import Tracker
from appliance.vision.worker.judged import Judged
from appliance.vision.worker.packets import packets
from appliance.vision.worker.priority import decode_behind_the_model

log = logging.getLogger(__name__)

KEPT_NS = 2_000_000_000
KEPT_BYTES = 12 * 1024 * 1024  # of decoded frames per camera; large pictures are kept for less time
MEMORY_S = 5.0
LOWEST = np.nextafter(np.float32(1.0), np.float32(0.0))  # a polygon's lower edges are not in it


class Lane:
    """One camera in the worker: its socket, decoder, gate, tracker and figures."""

    def __init__(
        self,
        watch: Watch,
        connection: socket.socket,
        batcher: Batcher[Picture],
        next_id: Callable[[], str],
        send: Callable[[Points | Memory], None],
        paths: Mapping[str, Open] | None = None,
    ) -> None:
        self.watch = watch
        self.tracker = Tracker(watch.camera_id, next_id, watch.min_confidence)
        self.looked = self.selected = self.skipped = self.errors = 0
        self.inference_ms: deque[float] = deque(maxlen=50)
        self.kept: deque[av.VideoFrame] = deque()
        self.judged = Judged(watch.fps)
        self._connection = connection
        self._batcher = batcher
        self._send = send
        self._seen: dict[str, tuple[int, float]] = {}
        self._memory, self._remembered_s = b"", time.monotonic()
        self._grid, self._looks, self._gate = Grid(watch.fps), Looks(), Gate(watch.masks)
        self._decoder = CameraDecoder(self._may_skip, lambda: round(1e9 / self._grid.fps), paths)
        self._not_before_ns = 0
        self._busy_since = 0.0
        self._closed = False
        name = f"decode-{watch.camera_id}"[:15]
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def change(self, watch: Watch) -> None:
        if watch.masks != self.watch.masks:
            self._gate = Gate(watch.masks)
        self.watch = watch
        self.tracker.min_confidence = watch.min_confidence
        self._grid = Grid(watch.fps)

    def close(self) -> None:
        """Wakes the thread; it ends by itself."""
        self._closed = True
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the daemon closed its end first

    def report(self) -> LaneReport:
        since = self._busy_since
        recent = list(self.inference_ms)
        return LaneReport(
            looked=self.looked,
            selected=self.selected,
            skipped=self.skipped,
            errors=self.errors,
            waiting=self._batcher.waiting(self.watch.camera_id),
            busy_s=round(time.monotonic() - since, 3) if since else 0.0,
            inference_ms=round(sum(recent) / len(recent), 3) if recent else 0.0,
            seen=self._take_seen(),
            decoder=self._decoder.path,
            decode_ms=round(self._decoder.decode_ms, 3),
            judged=self.judged.take(),
        )

    def _take_seen(self) -> dict[str, tuple[int, float]]:
        seen, self._seen = self._seen, {}
        return seen

    def frame_near(self, time_ns: int) -> av.VideoFrame | None:
        """The kept frame nearest to ``time_ns``, at most two seconds away; None for what is older than
        all of them: large pictures are not kept long, and the ring still has the right one."""
        frames = list(self.kept)
        if frames and time_ns < (frames[0].pts or 0) - 1e9 / self.watch.fps:
            return None
        best = min(frames, key=lambda frame: abs((frame.pts or 0) - time_ns), default=None)
        return best if best is not None and abs((best.pts or 0) - time_ns) <= KEPT_NS else None

    # -- under the worker's lock ------------------------------------------------------------

    def judge(self, picture: Picture, found: Detections, labels: tuple[str, ...], took_ms: float) -> None:
        """A look at one of its pictures, on its way to tracks."""
        self.looked += 1
        self.judged.note(picture.time_ns)
        self.inference_ms.append(took_ms)
        wanted = wanted_of(found, labels, self.watch)
        sure = wanted.scores >= self.watch.min_confidence
        for number, score in zip(wanted.classes[sure].tolist(), wanted.scores[sure].tolist(), strict=True):
            count, total = self._seen.get(labels[number], (0, 0.0))
            self._seen[labels[number]] = count + 1, total + score
        points = self.tracker.update(picture.time_ns, wanted, labels, picture.motion)
        if points:
            self._send(Points(points))

    def remember(self) -> None:
        """Now and then: what the tracker knows, for the worker after this one."""
        if time.monotonic() - self._remembered_s >= MEMORY_S:
            self._remembered_s = time.monotonic()
            memory = self.tracker.save()
            if memory != self._memory:
                self._memory = memory
                self._send(Memory(self.watch.camera_id, memory))

    def finish(self) -> None:
        """It is no longer looked at: nothing of it comes after this."""
        self.close()
        self._batcher.forget(self.watch.camera_id)
        if points := self.tracker.finish():
            self._send(Points(points))

    # -- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        decode_behind_the_model()
        with self._connection:
            for packet in packets(self._connection, 1 << 18):
                if self._closed:
                    return
                self._busy_since = time.monotonic()
                try:
                    self._take(*packet)
                except Exception as error:  # whatever a stranger's bitstream does, it is counted
                    self.errors += 1
                    self._recover(error)
                finally:
                    self._busy_since = 0.0

    def _take(self, kind: int, flags: int, body: bytes, time_ns: int) -> None:
        if kind == CONFIG:
            self._not_before_ns = time_ns
            self._decoder.start(CODEC_NAMES[flags], body)
        elif kind == ENDED:
            self._decoder.stop()
        else:
            for frame in self._decoder.take(body, time_ns, is_key=bool(flags & KEY)):
                self._decoded(frame)
                self._busy_since = time.monotonic()  # many frames may come of one packet

    def _may_skip(self, time_ns: int) -> bool:
        return time_ns < self._not_before_ns or self._grid.may_skip(time_ns)

    def _recover(self, error: Exception) -> None:
        if self.errors in (1, 10, 100) or self.errors % 1000 == 0:
            log.info("%s: %d errors in decoding: %s", self.watch.camera_id, self.errors, type(error).__name__)
        self._decoder.failed()

    def _decoded(self, frame: av.VideoFrame) -> None:
        time_ns = frame.pts
        if time_ns is None or frame.is_corrupt:
            self.errors += 1
            return
        if time_ns < self._not_before_ns or not self._grid.pick(time_ns):
            return
        self.selected += 1
        self._keep(frame)
        motion = self._gate.look(luma(frame), time_ns)
        if self._looks.wants(time_ns, motion, known=self.tracker.known, unsure=self.tracker.unsure):
            self.skipped += self._batcher.put(Picture(self.watch.camera_id, time_ns, frame, motion))
        else:
            self.judged.note(time_ns)

    def _keep(self, frame: av.VideoFrame) -> None:
        self.kept.append(frame)
        each = max(1, frame.width * frame.height * 3 // 2)
        most = max(1, KEPT_BYTES // each)
        newest_ns = frame.pts or 0
        while len(self.kept) > most or newest_ns - (self.kept[0].pts or 0) > KEPT_NS:
            self.kept.popleft()


def wanted_of(found: Detections, labels: tuple[str, ...], watch: Watch) -> Detections:
    """What of a look its camera asks for: of the wanted classes, and standing in none of its masks."""
    wanted = of_classes(found.above(WEAKEST_TRACKED), labels, watch.classes)
    # What the motion detector finds is made of open cells, whose edges are not quite the masks'.
    if not watch.masks or not len(wanted) or labels == MOTION_LABELS:
        return wanted
    x, y = wanted.boxes[:, [0, 2]].mean(axis=1), wanted.boxes[:, 3]
    # A mask that ends where the picture does covers that edge too.
    return wanted.only(~covered(watch.masks, x, np.minimum(y, LOWEST)))


def of_classes(found: Detections, labels: tuple[str, ...], classes: tuple[str, ...]) -> Detections:
    """Only the wanted classes. A detector that knows none of them (``motion``) is not filtered:
    something that moves is worth more than silence."""
    wanted = _wanted(labels, classes)
    return found if wanted is None else found.only(wanted.take(found.classes))


@lru_cache(maxsize=128)  # a camera's, per look
def _wanted(labels: tuple[str, ...], classes: tuple[str, ...]) -> NDArray[np.bool_] | None:
    """By the number of a label."""
    wanted = np.array([label in classes for label in labels], np.bool_)
    return wanted if wanted.any() else None
