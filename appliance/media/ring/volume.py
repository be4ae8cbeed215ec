"""A disk that segments are written to: its identity, and the thread that makes bytes durable.

R2: one fdatasync tick per ``durability_s`` for all streams of the volume. R3: a row is offered to
the index only behind the file's and its directories' fsync. R7: the identity file must match.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.durable import fsync_folder
from appliance.base.errors import ApplianceError
from appliance.base.model import Gap, GapCause, Segment
from appliance.media.ring.mend import mend
from appliance.media.ring.segment import DiskFault, SegmentWriter, fault_from
from appliance.media.work import Work

log = logging.getLogger(__name__)

IDENTITY = ".volume.json"
REST_NS = 30 * SECOND_NS
MEND_EVERY_NS = 2 * SECOND_NS
TICK_SHARE = 0.65  # of durability_s: the rest is for ``rest`` and for the fdatasync itself


class Identity(msgspec.Struct, frozen=True):
    id: str
    device_id: str
    created_ns: int


def read_identity(root: Path) -> Identity | None:
    """None where there is no file; raises ``data_loss`` where it is damaged."""
    try:
        return msgspec.json.decode((root / IDENTITY).read_bytes(), type=Identity)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as error:
        raise ApplianceError(
            "data_loss", f"the identity of volume {root} cannot be read", "check the disk and its mount"
        ) from error


def write_identity(root: Path, identity: Identity) -> None:
    partial = root / f"{IDENTITY}.new"
    with partial.open("wb") as file:
        file.write(msgspec.json.encode(identity))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(root / IDENTITY)
    fsync_folder(root)


class Volume:
    """``opened`` and ``closed`` are called by stream threads and never wait (R9)."""

    def __init__(
        self,
        volume_id: str,
        root: Path,
        clock: Clock,
        durability_s: float,
        on_row: Callable[[Segment], None],
        on_hole: Callable[[Gap, str], None] = lambda gap, boot_id: None,
        on_gone: Callable[[SegmentWriter], None] = lambda writer: None,
    ) -> None:
        self.id = volume_id
        self.root = root
        self._clock = clock
        self._tick_s = durability_s * TICK_SHARE
        self._on_row = on_row
        self._on_hole = on_hole
        self._on_gone = on_gone
        self._later: list[SegmentWriter] = []  # closed, but not yet mended: the disk was full or gone
        self._tried_ns = 0
        self._inbox: queue.SimpleQueue[tuple[str, SegmentWriter | None]] = queue.SimpleQueue()
        self._open: dict[SegmentWriter, None] = {}
        self._stopping = False
        self._busy_ns = 0  # monotonic: since when it is at one file; 0: it waits
        self.last_sync_ns = clock.monotonic_ns()
        self.began_ns = clock.now_ns()
        self.awaits_recovery = False  # it was not there when the box started
        self.fault: GapCause | None = None
        self._fault_ns = 0
        self.on_full: Callable[[], None] = lambda: None  # retention; must not wait
        self._thread = threading.Thread(target=self._run, name=f"volume-{root.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def usable(self) -> DiskFault | None:
        """Why nothing may be written now (R7), or None. Cheap: one stat and one small read."""
        try:
            identity = read_identity(self.root)
        except ApplianceError as error:
            return DiskFault("disk_error", error.message)
        except OSError as error:
            return fault_from(error)
        if identity is None or identity.id != self.id:
            return DiskFault("disk_missing", f"volume {self.root} is not mounted")
        return None

    def report(self, fault: DiskFault) -> None:
        """A stream could not write here."""
        self.fault, self._fault_ns = fault.cause, self._clock.monotonic_ns()
        if fault.cause == "disk_full":
            self.on_full()

    @property
    def resting(self) -> bool:
        """It failed a moment ago: another volume is better, where there is one."""
        return self.fault is not None and self._clock.monotonic_ns() - self._fault_ns < REST_NS

    def opened(self, writer: SegmentWriter) -> None:
        self._inbox.put(("open", writer))

    def closed(self, writer: SegmentWriter) -> None:
        """The stream is done with it: sync, close, and offer its row."""
        self._inbox.put(("close", writer))

    def work(self) -> Work | None:
        """None where it is to end."""
        if self._stopping:
            return None
        thread = self._thread
        return Work(f"volume {self.root.name}", thread.is_alive(), thread.native_id, self._busy_ns)

    def stop(self) -> None:
        """Close what was handed over, then end. Call after all stream threads have ended."""
        self._inbox.put(("stop", None))
        if self._thread.is_alive():
            self._thread.join()

    def sync_age_s(self) -> float:
        return (self._clock.monotonic_ns() - self.last_sync_ns) / 1e9

    def _run(self) -> None:
        while not self._stopping:
            began_ns = self._clock.monotonic_ns()
            try:
                self._drain(self._tick_s)
                for writer in list(self._open):
                    self._busy_ns = self._clock.monotonic_ns()
                    self._sync(writer)
                self._mend_later()
            except Exception:  # one file that nobody foresaw must not leave all others without syncs
                log.exception("volume %s", self.root.name)
            self.last_sync_ns = self._clock.monotonic_ns()
            passed_s = (self.last_sync_ns - began_ns) / 1e9
            if passed_s > self._tick_s * 4:
                log.warning("volume %s took %.1f s to sync", self.root.name, passed_s)
        self._drain(0.0)
        for writer in list(self._open):
            self._close(writer)
        self._tried_ns = 0
        self._mend_later()

    def _drain(self, wait_s: float) -> None:
        """Take messages until the tick is due: files close at once, syncs wait for the tick."""
        until_ns = self._clock.monotonic_ns() + int(wait_s * 1e9)
        while True:
            left_s = max(0.0, (until_ns - self._clock.monotonic_ns()) / 1e9)
            self._busy_ns = 0
            try:
                what, writer = self._inbox.get(timeout=left_s) if left_s else self._inbox.get_nowait()
            except queue.Empty:
                return
            self._busy_ns = self._clock.monotonic_ns()
            if writer is None:
                self._stopping = True
                until_ns = 0
            elif what == "open":
                self._open[writer] = None
                self._sync_dirs(writer)
            else:
                self._close(writer)

    def _sync_dirs(self, writer: SegmentWriter) -> None:
        try:
            for folder in writer.new_dirs:
                fsync_folder(folder)
        except OSError as error:
            writer.fault = fault_from(error)

    def _sync(self, writer: SegmentWriter) -> None:
        progress = writer.progress
        if writer.fault is not None or progress == writer.durable:
            return
        try:
            os.fdatasync(writer.fd)
        except OSError as error:
            # After a failed fdatasync the kernel may have dropped the pages (fsyncgate, 2018):
            # nothing behind the last good one is trusted, and the file gets no further writes.
            writer.fault = fault_from(error)
            self.report(writer.fault)
            log.error("volume %s: %s", self.root.name, writer.fault, extra={"camera": writer.head.camera_id})
        else:
            writer.durable = progress
            self.fault = None

    def _close(self, writer: SegmentWriter) -> None:
        self._open.pop(writer, None)
        try:
            self._sync(writer)
            if writer.row is not None:
                self._sync_dirs(writer)
        finally:
            try:
                os.close(writer.fd)
            except OSError as error:
                writer.fault = writer.fault or fault_from(error)
        if writer.fault is None and writer.row is not None:
            self._on_row(writer.row)
        elif not self._mend(writer):
            self._later.append(writer)

    def _mend(self, writer: SegmentWriter) -> bool:
        """Make a row of what is durable of a segment that could not be finished; False: not now.

        The stream's ledger says that it is recorded up to ``writer.end_ns``. Where less of it is
        durable, the rest is a gap (R3, R4).
        """
        good_bytes, good_ns = writer.durable
        # A new anchor may let the next segment begin a little before this one's last frame ends.
        end_ns = writer.end_ns if writer.fault is None else min(good_ns, writer.end_ns)
        try:
            fault = self.usable()
            if fault is not None:
                raise fault
            row = mend(writer.path, writer.volume_id, writer.relative, at_most=good_bytes, end_ns=end_ns)
        except (OSError, DiskFault) as error:
            shown = error if isinstance(error, DiskFault) else fault_from(error)
            log.warning("volume %s: a segment waits to be finished: %s", self.root.name, shown)
            return False
        except ApplianceError as error:
            log.error("volume %s: %s", self.root.name, error.message)
            return True  # `check --repair` puts it aside
        kept_ns = row.end_ns if row is not None else writer.head.start_ns
        if kept_ns < writer.end_ns:
            cause: GapCause = writer.fault.cause if writer.fault is not None else "damaged"
            head = writer.head
            self._on_hole(Gap(head.camera_id, head.stream, kept_ns, writer.end_ns, cause), head.boot_id)
        if row is not None:
            self._on_row(row)
        else:
            self._on_gone(writer)
        return True

    def _mend_later(self) -> None:
        """Segments that a full or missing disk left unfinished, when it is better."""
        now_ns = self._clock.monotonic_ns()
        if not self._later or now_ns - self._tried_ns < MEND_EVERY_NS:
            return
        self._tried_ns = now_ns
        while self._later:
            self._busy_ns = self._clock.monotonic_ns()
            if not self._mend(self._later[0]):
                return
            self._later.pop(0)
