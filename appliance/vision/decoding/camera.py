"""One camera's decoding over its whole life: what to decode, when, by which path, and what it costs.

A packet of a frame that nobody will look at is held back, undecoded. The first packet that may be
looked at brings the held ones with it, since it may refer to them; a key frame that refers to nothing
throws them away. So the tail of every GOP behind its last look costs nothing, and where key frames
come as often as looks nothing else is decoded at all. No guess decides what can be seen: only how
long a look may wait for the key frame that is expected next, and an overdue one is not waited for.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, cast

import av

from appliance.media.mp4.h26x import Codec
from appliance.vision.decoding.decoder import Decoder, Software, reason_of
from appliance.vision.decoding.rhythm import WANDER, Rhythm, starts_afresh

HELD_BYTES: Final = 1024 * 1024  # per camera; beyond it is decoded although nobody looks
HELD_PACKETS: Final = 1000
SOFTWARE: Final = "software"
SILENT: Final = 64  # packets without a picture: more than any reordering, so the path is broken
MEAN_OF: Final = 64  # packets: about how far back ``decode_ms`` looks

Open = Callable[[str, bytes], Decoder]  # (codec, config); raises what libav or the driver raises


class _Packet(NamedTuple):
    body: bytes
    time_ns: int


class CameraDecoder:
    """``start`` with each configuration, ``take`` each packet, ``failed`` after each exception.

    ``may_skip(time_ns)``: nobody will look at the frame of that time, now or later. ``period_ns()``:
    between looks. ``paths``: what to try, best first; ``software`` comes last without being named.
    Not safe for threads.
    """

    def __init__(
        self,
        may_skip: Callable[[int], bool],
        period_ns: Callable[[], int],
        paths: Mapping[str, Open] | None = None,
    ) -> None:
        self.path = ""  # which way is in use, and why no better one: ``software (cuda: out of sessions)``
        self.decode_ms = 0.0  # CPU of this thread, mean per packet that was decoded
        self._may_skip, self._period_ns = may_skip, period_ns
        self._paths = {**(paths or {}), SOFTWARE: Software}
        self._refused: dict[str, str] = {}  # path -> why not, in this run
        self._decoder: Decoder | None = None
        self._codec: Codec = "h264"
        self._config = b""
        self._rhythm = Rhythm()
        self._held: list[_Packet] = []
        self._held_bytes = 0
        self._waiting_ns: int | None = None  # of the held ones, the first that may be looked at
        self._owed_ns: int | None = None  # decoded for a look, and still inside the decoder
        self._owed_keys = 0
        self._unproven: list[_Packet] | None = None  # what a hardware path ate before its first picture
        self._needs_key = True

    def start(self, codec: str, config: bytes) -> None:
        """A new run. Raises what libav raises where not even software can be had."""
        self._codec, self._config = cast(Codec, codec), config
        self._refused.clear()
        self._rhythm = Rhythm()
        self._begin()

    def stop(self) -> None:
        """The run ended, or the camera did."""
        self._config = b""
        self._close()
        self._say()

    def failed(self) -> None:
        """``take`` raised: begin again at the next key frame. A configuration that cannot be opened
        waits for the next run."""
        if self._config:
            try:
                self._begin()
            except Exception:  # a broken configuration raises what it likes
                self.stop()

    def take(self, body: bytes, time_ns: int, *, is_key: bool) -> Iterator[av.VideoFrame]:
        """Frames in presentation order, of this packet or earlier ones; to be read to the end. Look at
        each before the next: what is decoded depends on it. Raises what the decoder raises."""
        if self._decoder is None or (self._needs_key and not is_key) or not body:
            return  # to libav an empty packet is the end of the stream
        self._needs_key = False
        if is_key:
            self._key(body, time_ns)
        self._held.append(_Packet(body, time_ns))
        self._held_bytes += len(body)
        if not self._may_wait(time_ns, is_key=is_key):
            held = self._held
            self._let_go()
            for packet in held:
                yield from self._decode(packet)

    # -- what to decode ---------------------------------------------------------------------

    def _key(self, body: bytes, time_ns: int) -> None:
        self._rhythm.key(time_ns)
        if starts_afresh(self._codec, body):
            self._let_go()
        self._owed_keys += 1
        if self._owed_keys > 1:  # it was damaged: it will not come any more
            self._owed_ns = None

    def _may_wait(self, time_ns: int, *, is_key: bool) -> bool:
        full = self._held_bytes > HELD_BYTES or len(self._held) > HELD_PACKETS
        if full or self._owed_ns is not None:
            return False
        if self._may_skip(time_ns):
            return self._waiting_ns is None or self._key_is_near(time_ns)
        return not is_key and self._key_is_near(time_ns)

    def _key_is_near(self, time_ns: int) -> bool:
        """Whether the look may as well be at the key frame that is expected next. It waits for half a
        period, which is the tolerance of the grid; where key frames come as often as looks, for one
        key frame, whenever that is."""
        next_ns, gap_ns = self._rhythm.next_ns(), self._rhythm.gap_ns
        if next_ns is None or gap_ns is None:
            return False
        period_ns = self._period_ns()
        late_ns = next_ns + min(round(WANDER * gap_ns), period_ns // 2)
        if time_ns > late_ns:
            self._rhythm.lost()
            return False
        if self._waiting_ns is None:
            self._waiting_ns = time_ns
        often = gap_ns <= period_ns * (1 + WANDER)
        return next_ns - self._waiting_ns <= max(period_ns // 2, gap_ns if often else 0)

    def _let_go(self) -> None:
        self._held, self._held_bytes, self._waiting_ns = [], 0, None

    def _decode(self, packet: _Packet) -> list[av.VideoFrame]:
        assert self._decoder is not None
        spare = self._may_skip(packet.time_ns)
        if not spare:
            self._owed_ns = max(packet.time_ns, self._owed_ns or 0)
            self._owed_keys = 0
        began_ns = time.thread_time_ns()
        if self._unproven is None:
            frames = self._decoder.decode(packet.body, packet.time_ns, spare=spare)
        else:
            frames = self._try(packet, spare=spare)
        took_ms = (time.thread_time_ns() - began_ns) / 1e6
        self.decode_ms += (took_ms - self.decode_ms) / MEAN_OF if self.decode_ms else took_ms
        if any((frame.pts or 0) >= (self._owed_ns or 0) for frame in frames):
            self._owed_ns = None
        return frames

    # -- by which path ----------------------------------------------------------------------

    def _try(self, packet: _Packet, *, spare: bool) -> list[av.VideoFrame]:
        """By a path that has shown nothing yet. Where it fails, the next one gets the same packets, so
        that not one picture is lost; where that fails too, the packets are to blame."""
        assert self._decoder is not None and self._unproven is not None
        path, fed = self._decoder.path, [*self._unproven, packet]
        try:
            frames = self._decoder.decode(packet.body, packet.time_ns, spare=spare)
            if not frames and len(fed) > SILENT:
                raise TimeoutError(f"no picture out of {len(fed)} packets")
        except Exception as error:  # drivers raise what they like
            self._refused[path] = reason_of(error)
            self._decoder.close()  # it may hold one of few sessions
            self._open()
            try:
                return [frame for one in fed for frame in self._decoder.decode(*one, spare=False)]
            except Exception:  # software raised too, whatever it is: the packets are to blame, not the path
                del self._refused[path]
                self._say()
                raise
        self._unproven = None if frames else fed
        return frames

    def _begin(self) -> None:
        self._close()
        self._open()

    def _open(self) -> None:
        """The best path that opens. Raises where not even software does."""
        for path, open_ in self._paths.items():
            if path in self._refused:
                continue
            try:
                self._decoder = open_(self._codec, self._config)
                self._unproven = None if path == SOFTWARE else []
                self._say()
                return
            except Exception as error:  # drivers raise what they like; software's own error counts
                if path == SOFTWARE:
                    raise
                self._refused[path] = reason_of(error)

    def _say(self) -> None:
        """Put together here, since another thread reads it."""
        reasons = "; ".join(f"{path}: {reason}" for path, reason in self._refused.items())
        name = "" if self._decoder is None else self._decoder.path
        self.path = f"{name} ({reasons})" if name and reasons else name

    def _close(self) -> None:
        self._let_go()
        self._owed_ns, self._needs_key, self._unproven = None, True, None
        if self._decoder is not None:
            self._decoder.close()
        self._decoder = None
