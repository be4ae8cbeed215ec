"""One stretch of the past in the worker: looked at by the same detector, while nobody else needs it.

A thread reads packets from its own socket only as fast as they are judged, so that what is not judged
yet waits in the ring and not in memory. Live pictures always go first (``Batcher.put_past``), and
never more than one picture of the past is on its way. It is decoded in software: what there is of
hardware is for the cameras.
"""

import logging
import socket
import threading
from collections.abc import Callable
from typing import Final

import av

from appliance.base.model import TrackPoint
from appliance.vision.decoding.camera import CameraDecoder
from appliance.vision.decoding.planes import luma
from appliance.vision.detectors import Detections, Picture
from appliance.vision.looking.batcher import Batcher
from appliance.vision.looking.gate import Gate
from appliance.vision.looking.schedule import Grid, Looks
from appliance.vision.messages import (
    CODEC_NAMES,
    CONFIG,
    ENDED,
    KEY,
    OpenPast,
    PastDone,
    PastPoints,
    Report,
)
from appliance.vision.tracking.tracker import Tracker
from appliance.vision.worker.lane import wanted_of
from appliance.vision.worker.packets import packets
from appliance.vision.worker.priority import look_back_last

log = logging.getLogger(__name__)

# Below the live threads (5), and not by more: whoever holds the interpreter's lock must get to run, or
# those that wait for it wait with it.
LOST_S = 15.0  # longer than any look may take: what was taken and not answered is offered again
PROGRESS_NS: Final = 2_000_000_000  # of video, between two words on how far it is


class Past:
    """``key`` is the name of its pictures, and of it among the judges."""

    def __init__(
        self,
        order: OpenPast,
        connection: socket.socket,
        batcher: Batcher[Picture],
        next_id: Callable[[], str],
        send: Callable[[Report], None],
    ) -> None:
        self.watch = order.watch
        self.key = f"past {order.span_id}"
        self.span_id = order.span_id
        self._connection = connection
        self._batcher = batcher
        self._send = send
        self._tracker = Tracker(order.watch.camera_id, next_id, order.watch.min_confidence)
        self._grid, self._looks, self._gate = Grid(order.watch.fps), Looks(), Gate(order.watch.masks)
        self._decoder = CameraDecoder(self._may_skip, lambda: round(1e9 / self._grid.fps))
        self._not_before_ns = 0
        self._looked = 0
        self._said_ns = 0
        self._asked: Picture | None = None
        self._answer: tuple[Detections, tuple[str, ...]] | None = None
        self._answered = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="past", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Nothing is said of it any more; the thread ends by itself."""
        self._closed = True
        self._answered.set()
        self._batcher.forget(self.key)
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the daemon closed its end first

    def judge(self, picture: Picture, found: Detections, labels: tuple[str, ...], took_ms: float) -> None:
        """What a looker saw in the picture that was offered."""
        if picture is self._asked:
            self._answer = wanted_of(found, labels, self.watch), labels
            self._answered.set()

    # -- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        look_back_last()
        with self._connection:
            for packet in packets(self._connection, 1 << 16):
                if self._closed:
                    return
                if packet[0] == ENDED:
                    self._finish()
                    return
                try:
                    self._take(*packet)
                except BrokenPipeError:
                    return  # the daemon is gone, and so are we
                except Exception as error:  # whatever a stranger's bitstream does: on to the next key frame
                    self._recover(error)

    def _take(self, kind: int, flags: int, body: bytes, time_ns: int) -> None:
        if kind == CONFIG:
            self._not_before_ns = time_ns
            self._decoder.start(CODEC_NAMES[flags], body)
        else:
            for frame in self._decoder.take(body, time_ns, is_key=bool(flags & KEY)):
                self._decoded(frame)

    def _may_skip(self, time_ns: int) -> bool:
        return time_ns < self._not_before_ns or self._grid.may_skip(time_ns)

    def _recover(self, error: Exception) -> None:
        log.info("%s: an error in decoding the past: %s", self.watch.camera_id, type(error).__name__)
        self._decoder.failed()

    def _decoded(self, frame: av.VideoFrame) -> None:
        time_ns = frame.pts
        if time_ns is None or frame.is_corrupt or time_ns < self._not_before_ns:
            return
        if not self._grid.pick(time_ns):
            return
        motion = self._gate.look(luma(frame), time_ns)
        points: list[TrackPoint] = []
        if self._looks.wants(time_ns, motion, known=self._tracker.known, unsure=self._tracker.unsure):
            answer = self._ask(Picture(self.key, time_ns, frame, motion))
            if answer is None:
                return
            self._looked += 1
            points = self._tracker.update(time_ns, *answer, motion)
        if points or time_ns - self._said_ns >= PROGRESS_NS or time_ns < self._said_ns:
            self._said_ns = time_ns
            self._say(PastPoints(self.span_id, points, time_ns))

    def _ask(self, picture: Picture) -> tuple[Detections, tuple[str, ...]] | None:
        """The detector's answer, whenever it comes; None where the look back is over."""
        self._answered.clear()
        self._asked = picture
        self._batcher.put_past(picture, LOST_S)
        while not self._closed and not self._answered.wait(LOST_S):
            self._batcher.put_past(picture, 0.0)  # not taken where it still waits for its turn
        return None if self._closed else self._answer

    def _finish(self) -> None:
        points = self._tracker.finish()
        if points:
            self._say(PastPoints(self.span_id, points, self._said_ns))
        self._say(PastDone(self.span_id, self._looked))

    def _say(self, report: Report) -> None:
        if not self._closed:
            self._send(report)
