"""The stream thread's end of the hand-off to the vision worker (V1).

A ``Feed`` is a ``media.fragment.Tap``. It writes to a non-blocking socket; what does not fit waits
in a backlog of at most two GOPs and 4 MB. When that is full it skips to the next key frame and
starts afresh there, so that a slow worker sees new pictures instead of old ones. It also keeps the
current GOP, to be replayed to a restarted worker. Bodies are shared with the recorder, not copied.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable

from appliance.media.fragment import VIDEO_TRACK, Fragment, StreamInit
from appliance.vision.messages import CODECS, CONFIG, ENDED, HEADER, KEY, PACKET

BACKLOG_BYTES = 4 * 1024 * 1024
BACKLOG_GOPS = 2
GOP_BYTES = 8 * 1024 * 1024  # a longer GOP is not replayed; the worker then waits for a key frame
_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL

_Item = tuple[int, bytes, bytes | bytearray]  # flags, header, body


class Feed:
    """One camera's. ``started``, ``put`` and ``ended`` come from its stream thread, everything else
    from the event loop; the lock is held for non-blocking work only.

    ``wake`` is called (in either thread) when bytes wait for the socket to become writable.
    """

    def __init__(self, camera_id: str, wake: Callable[["Feed"], None]) -> None:
        self.camera_id = camera_id
        self.skipped = 0  # packets the worker was not given, since the start
        self._wake = wake
        self._lock = threading.Lock()
        self._enabled = False
        self._init: StreamInit | None = None
        self._gop: list[Fragment] = []
        self._gop_bytes = 0
        self._socket: socket.socket | None = None
        self._backlog: deque[_Item] = deque()
        self._backlog_bytes = 0
        self._backlog_keys = 0
        self._sending: list[memoryview] = []  # what is left of the item in flight
        self._skipping = True
        self._armed = False

    # -- the stream thread ------------------------------------------------------------------

    def started(self, init: StreamInit) -> None:
        with self._lock:
            self._init = init
            self._forget_gop()
            self._skipping = True  # until the run's first key frame
            if self._enabled and self._socket is not None:
                self._enqueue(self._config(init.start_ns))
                self._flush()

    def put(self, fragment: Fragment) -> None:
        if fragment.track != VIDEO_TRACK:
            return
        with self._lock:
            if not self._enabled:
                return
            self._keep(fragment)
            if self._socket is not None:
                self._offer(fragment)
                self._flush()

    def ended(self) -> None:
        with self._lock:
            self._init = None
            self._forget_gop()
            if self._socket is not None:
                self._enqueue((0, HEADER.pack(ENDED, 0, 0, 0, 0), b""))
                self._flush()

    # -- the event loop ---------------------------------------------------------------------

    def enable(self, enabled: bool) -> None:
        with self._lock:
            self._enabled = enabled
            if not enabled:
                self._forget_gop()

    def connect(self, connection: socket.socket) -> None:
        """Give the feed a new worker's socket; the current GOP goes out first, marked so that only
        its newest frame is looked at. The feed owns ``connection`` from now on."""
        with self._lock:
            self._drop_socket()
            self._socket = connection
            self._skipping = True
            if self._init is None:
                return
            newest_ns = max((f.time_ns for f in self._gop), default=self._init.start_ns)
            self._enqueue(self._config(newest_ns))
            for fragment in self._gop:
                self._enqueue(_packet(fragment))
                self._skipping = False
            self._flush()

    def disconnect(self) -> None:
        with self._lock:
            self._drop_socket()

    def writable(self) -> bool:
        """The loop says that the socket takes bytes again. True: there is more to come."""
        with self._lock:
            self._armed = False
            self._flush(wake=False)
            self._armed = self._waiting
            return self._armed

    def fileno(self) -> int:
        """-1 where there is no worker."""
        connection = self._socket
        return -1 if connection is None else connection.fileno()

    @property
    def backlog_bytes(self) -> int:
        return self._backlog_bytes

    # -- under the lock ---------------------------------------------------------------------

    @property
    def _waiting(self) -> bool:
        return self._socket is not None and bool(self._sending or self._backlog)

    def _config(self, newest_ns: int) -> _Item:
        """``newest_ns``: frames before it are decoded but not looked at."""
        assert self._init is not None
        body = self._init.codec_config
        return 0, HEADER.pack(CONFIG, CODECS[self._init.codec], 0, len(body), newest_ns), body

    def _keep(self, fragment: Fragment) -> None:
        if fragment.is_key:
            self._gop, self._gop_bytes = [], 0
        elif not self._gop:
            return
        self._gop.append(fragment)
        self._gop_bytes += len(fragment.body)
        if self._gop_bytes > GOP_BYTES:
            self._forget_gop()

    def _forget_gop(self) -> None:
        self._gop, self._gop_bytes = [], 0

    def _offer(self, fragment: Fragment) -> None:
        full = self._backlog_bytes + len(fragment.body) > BACKLOG_BYTES
        if fragment.is_key:
            if full or self._backlog_keys >= BACKLOG_GOPS:
                self._drop_backlog()
                if self._init is not None:  # the dropped ones may have held it
                    self._enqueue(self._config(fragment.time_ns))
            self._skipping = False
        elif full:
            self._skipping = True
        if self._skipping:
            self.skipped += 1
        else:
            self._enqueue(_packet(fragment))

    def _enqueue(self, item: _Item) -> None:
        self._backlog.append(item)
        self._backlog_bytes += len(item[2])
        self._backlog_keys += item[0] & KEY

    def _drop_backlog(self) -> None:
        self.skipped += len(self._backlog)
        self._backlog.clear()
        self._backlog_bytes = self._backlog_keys = 0

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._armed = False
        self._sending = []
        self._backlog.clear()
        self._backlog_bytes = self._backlog_keys = 0

    def _flush(self, wake: bool = True) -> None:
        while self._socket is not None:
            if not self._sending:
                if not self._backlog:
                    return
                flags, header, body = self._backlog.popleft()
                self._backlog_bytes -= len(body)
                self._backlog_keys -= flags & KEY
                self._sending = [memoryview(header), memoryview(body)]
            try:
                sent = self._socket.sendmsg(self._sending, [], _FLAGS)
            except BlockingIOError:
                break
            except OSError:  # the worker is gone; the host hears of it on the control socket
                return
            while self._sending and sent >= len(self._sending[0]):
                sent -= len(self._sending.pop(0))
            if self._sending:
                self._sending[0] = self._sending[0][sent:]
        if wake and self._waiting and not self._armed:
            self._armed = True
            self._wake(self)


def _packet(fragment: Fragment) -> _Item:
    flags = KEY if fragment.is_key else 0
    header = HEADER.pack(PACKET, flags, 0, len(fragment.body), fragment.time_ns)
    return flags, header, fragment.body
