"""The recording of one stream: segments, their turn-over, disk faults, and the ledger.

Lives in the stream's thread. A disk that fails ends the segment, not the connection: live view and
vision go on, and the disk is tried again at every key frame.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from appliance.base.clock import MS_NS, SECOND_NS, Clock
from appliance.base.model import GapCause
from appliance.media.fragment import Fragment
from appliance.media.mp4.fragmenter import Timeline, ns_from_90k
from appliance.media.mp4.h26x import Parameters
from appliance.media.ring.index import Index
from appliance.media.ring.ledger import StreamLedger
from appliance.media.ring.segment import DiskFault, Head, SegmentWriter
from appliance.media.ring.volume import Volume

log = logging.getLogger(__name__)


class RunInfo(NamedTuple):
    """One unbroken connection with one set of parameters."""

    run_id: str
    parameters: Parameters
    init: bytes
    timeline: Timeline


class Recording:
    """``put`` never raises and never waits for anything but the kernel's page cache."""

    def __init__(
        self,
        camera_id: str,
        stream: str,
        boot_id: str,
        clock: Clock,
        volume: Callable[[], Volume],
        index: Index,
        ledger: StreamLedger,
        segment_s: float,
    ) -> None:
        self._camera_id, self._stream, self._boot_id = camera_id, stream, boot_id
        self._clock = clock
        self._choose = volume
        self._index = index
        self.ledger = ledger
        self._segment_ns = int(segment_s * SECOND_NS)
        self._run: RunInfo | None = None
        self._sequence = 0
        self._writer: SegmentWriter | None = None
        self._volume: Volume | None = None
        self.end_ns = 0  # where recorded time ends: the next run may not begin before it
        self.fault: DiskFault | None = None
        self.bytes_written = 0

    @property
    def active(self) -> bool:
        """Bytes reach the ring."""
        return self._writer is not None

    def begin(self, run: RunInfo) -> None:
        self._run = run
        self._sequence = 0

    def put(self, fragment: Fragment, duration_90k: int) -> None:
        run = self._run
        if run is None:
            return
        if fragment.track == 1 and fragment.is_key:
            self._turn_over(run, fragment)
            self.ledger.flush()
        writer = self._writer
        if writer is None:
            return
        # Not from the fragment's own time, which is older than a new anchor: recovery counts so too.
        end_ns = run.timeline.wall_ns(fragment.pts_90k) + ns_from_90k(duration_90k)
        try:
            writer.write(fragment, end_ns)
        except DiskFault as fault:
            self._failed(fault)
        else:
            self.bytes_written += len(fragment.head) + len(fragment.body)
            if self.ledger.gap is not None:
                # Only now: a disk that lets files be made and not be written would fill the ledger.
                self.fault = None
                self.ledger.found(writer.head.start_ns)

    def end(self, cause: GapCause) -> None:
        """The run is over."""
        if self._writer is not None:
            self._close(self._writer.end_ns)
        self._lost(self._clock.now_ns(), cause)
        self._run = None

    def clock_stepped(self, before_ns: int, now_ns: int) -> None:
        """Behind ``end``: what comes next is not tied to the time before (R4)."""
        self.ledger.stepped(before_ns, now_ns)
        # The next run begins a little later, so that the ledger shows a step even where no frame is missing.
        self.end_ns = now_ns + MS_NS

    def _turn_over(self, run: RunInfo, key: Fragment) -> None:
        writer = self._writer
        if writer is not None:
            if key.time_ns - writer.head.start_ns < self._segment_ns:
                return
            run.timeline.anchor_again(key.time_ns - writer.head.start_ns)
        start_ns = max(run.timeline.wall_ns(key.pts_90k), self.end_ns if writer is None else 0)
        if writer is not None:
            start_ns = max(start_ns, writer.head.start_ns + 1)
            self._close(start_ns)
        self._open(run, start_ns)

    def _open(self, run: RunInfo, start_ns: int) -> None:
        volume = self._choose()
        try:
            fault = volume.usable()
            if fault is not None:
                raise fault
            head = Head(
                self._camera_id, self._stream, self._boot_id, run.run_id, self._sequence, start_ns,
                run.timeline.anchor_ns, run.parameters.codec_string, run.parameters.width,
                run.parameters.height, self._clock.unsure,
            )  # fmt: skip
            writer = SegmentWriter(volume.id, volume.root, head, run.init)
        except DiskFault as fault:
            self._report(fault, volume)
            self._lost(start_ns, fault.cause)
            return
        self._sequence += 1
        self._writer, self._volume = writer, volume
        self._index.opened(writer)
        volume.opened(writer)

    def _close(self, end_ns: int) -> None:
        writer, volume = self._writer, self._volume
        assert writer is not None and volume is not None
        self._writer = None
        self.end_ns = end_ns
        try:
            writer.finish(end_ns)
        except DiskFault as fault:
            self._report(fault, volume)
        if writer.frames == 0:
            self._index.dropped(writer)
        volume.closed(writer)

    def _failed(self, fault: DiskFault) -> None:
        """The segment cannot go on: what is durable of it stays, the rest is a gap."""
        writer, volume = self._writer, self._volume
        assert writer is not None and volume is not None
        self._writer = None
        self._report(fault, volume)
        if writer.fault is not None:
            writer.end_ns = writer.durable[1]
        if self.ledger.gap is None:
            self.end_ns = writer.end_ns
        if writer.frames == 0:
            self._index.dropped(writer)
        volume.closed(writer)
        self._lost(writer.end_ns, fault.cause)

    def _lost(self, at_ns: int, cause: GapCause) -> None:
        """A gap begins where recorded time ended; one that is open may get another cause at ``at_ns``."""
        since_ns = self.end_ns or at_ns if self.ledger.gap is None else at_ns
        self.ledger.lost(self._camera_id, self._stream, since_ns, cause)

    def _report(self, fault: DiskFault, volume: Volume) -> None:
        volume.report(fault)
        if self.fault is None or self.fault.cause != fault.cause:
            log.error("not recording: %s", fault, extra={"camera": self._camera_id, "stream": self._stream})
        self.fault = fault
