"""What travels between the daemon and its vision worker.

Two kinds of sockets, both SOCK_STREAM pairs. The *control* socket carries MessagePack structs, each
behind its length (u32, little endian). A *stream* socket (one per analysed camera, passed by
SCM_RIGHTS beside its ``Open``) carries ``HEADER`` and that many bytes, from the daemon only.
(A child that builds an engine has neither: it prints ``BuildStep`` lines.)
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from appliance.base.errors import ApplianceError, Kind
from appliance.base.model import Box, TrackPoint
from appliance.vision.state import TrialPhase

# kind, codec or flags, reserved, size of the body in bytes, time_ns
HEADER: Final = struct.Struct("<BBHIq")
CONFIG, PACKET, ENDED = 1, 2, 3  # kinds
KEY = 1  # flag of a packet
CODECS: Final = {"h264": 1, "hevc": 2}  # second field of a CONFIG
CODEC_NAMES: Final = {number: name for name, number in CODECS.items()}

LENGTH: Final = struct.Struct("<I")
LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024  # a still of an 8K camera is below 8 MB


class Watch(msgspec.Struct, frozen=True):
    """How one camera is to be looked at. ``classes`` empty: all that the model knows. ``masks``:
    polygons, 0..1, in which neither motion counts nor what stands there (its anchor point)."""

    camera_id: str
    fps: float
    classes: tuple[str, ...]
    min_confidence: float
    weight: float = 1.0  # its share of the looks when there are too few for all
    masks: tuple[tuple[tuple[float, float], ...], ...] = ()


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first order. ``epoch`` goes in front of every track number of this worker. ``decoder``:
    ``auto``, ``software`` or a path's name (``decoding.paths``). ``memory_bytes``: the most that the
    worker may take of the box's memory; 0: any."""

    epoch: str
    choice: str
    models_dirs: tuple[str, ...]
    threads: int
    backend: str = "auto"
    decoder: str = "auto"
    memory_bytes: int = 0


class Open(msgspec.Struct, frozen=True, tag=True):
    """A camera, with its stream socket beside this message. ``memory``: the last ``Memory`` of its
    tracker. ``seeds``: the last points of the tracks that were open when the worker before this one
    went away; None where there was none in this daemon's life, and the memory is all there is."""

    watch: Watch
    memory: bytes = b""
    seeds: tuple[TrackPoint, ...] | None = None


class OpenPast(msgspec.Struct, frozen=True, tag=True):
    """A stretch of the past to be judged when nothing else waits, with its stream socket beside this
    message: the same frames as of an ``Open``, read only as fast as they are judged, up to ``ENDED``.
    Its points come as ``PastPoints``; ``PastDone`` is the last."""

    span_id: str
    watch: Watch


class Change(msgspec.Struct, frozen=True, tag=True):
    watch: Watch


class Close(msgspec.Struct, frozen=True, tag=True):
    camera_id: str


class StillOrder(msgspec.Struct, frozen=True, tag=True):
    number: int
    camera_id: str
    time_ns: int
    box: Box | None


class ClosePast(msgspec.Struct, frozen=True, tag=True):
    """No ``PastDone`` follows."""

    span_id: str


class Use(msgspec.Struct, frozen=True, tag=True):
    """Another model, loaded beside the one that looks: both see the same pictures for ``shadow_s``,
    then it takes over. ``Trial`` tells how it goes; a new ``Use`` ends an older one. ``only``: on that
    backend or not at all."""

    choice: str
    backend: str
    shadow_s: float
    only: bool = False


Order = Hello | Open | OpenPast | Change | Close | ClosePast | StillOrder | Use


class EngineLack(msgspec.Struct, frozen=True):
    """The best backend of this box could run ``model``, had it an engine. ``refused``: the name of the
    file that is there and is not taken. ``short``: there is one, and the chip has no memory for it now."""

    model: str
    refused: str = ""
    short: bool = False


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The detector is loaded. ``reason`` says why it is not the one that was asked for; ``backend``
    and ``because`` which library runs it on which device, and why that one. ``lack``: why not a
    better one."""

    detector: str
    labels: tuple[str, ...]
    reason: str
    load_ms: float
    backend: str = ""
    because: str = ""
    lack: EngineLack | None = None


class LaneReport(msgspec.Struct, frozen=True):
    """One camera since the last beat; ``busy_s`` is how long its decoder is at one packet now."""

    looked: int  # frames a detector saw
    selected: int  # frames taken at the camera's fps
    skipped: int  # replaced in the slot by a newer one before the detector came
    errors: int  # packets that could not be decoded
    waiting: int  # 1 while a frame waits for the detector
    busy_s: float
    inference_ms: float  # mean, of this camera's looks
    decoder: str = ""  # which way is really in use, and what it costs
    decode_ms: float = 0.0  # mean, per frame
    seen: dict[str, tuple[int, float]] = {}  # since the last beat: class -> (boxes, sum of scores)
    judged: tuple[tuple[int, int], ...] = ()  # stretches of video, ns, since the last beat; see ``Judged``


class Beat(msgspec.Struct, frozen=True, tag=True):
    """Sent every 0.5 s by the main loop. ``detect_busy_s``: how long the detector is at one batch.
    ``loading``: the pack and the backend that the first model is being loaded with; empty: none is."""

    lanes: dict[str, LaneReport]
    detect_busy_s: float
    inference_ms: tuple[float, ...]
    detections: dict[str, int]
    loading: tuple[str, str] = ("", "")


class Points(msgspec.Struct, frozen=True, tag=True):
    points: list[TrackPoint]


class Memory(msgspec.Struct, frozen=True, tag=True):
    """What a camera's tracker knows, for the next one; sent where it changed, every few seconds."""

    camera_id: str
    data: bytes


class PastPoints(msgspec.Struct, frozen=True, tag=True):
    """All frames before ``judged_ns`` have been judged; there may be no points in it."""

    span_id: str
    points: list[TrackPoint]
    judged_ns: int = 0


class PastDone(msgspec.Struct, frozen=True, tag=True):
    """``looked``: frames that a detector saw."""

    span_id: str
    looked: int


class Trial(msgspec.Struct, frozen=True, tag=True):
    """How a ``Use`` goes. ``agreement``: of the boxes that either model was sure of, the share that
    both saw (same class, IoU of a half), 0..1."""

    choice: str
    phase: TrialPhase
    reason: str = ""
    pictures: int = 0
    agreement: float = 0.0
    new_ms: float = 0.0  # per picture, mean
    old_ms: float = 0.0
    lack: EngineLack | None = None  # why it was refused


class StillReport(msgspec.Struct, frozen=True, tag=True):
    """``jpeg`` empty: there was no such frame, ``error`` says why."""

    number: int
    jpeg: bytes
    error: str = ""


class Gone(msgspec.Struct, frozen=True, tag=True):
    """The last report: why this worker ends by itself, since only a new process mends it."""

    reason: str


class BuildStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a child that builds an engine, as JSON on its standard output. ``share``: 0..1 of the
    work. The last line has the engine's ``path``, or why there is none: an error's kind, message, hint."""

    share: float
    path: str = ""
    kind: Kind | None = None
    message: str = ""
    hint: str = ""


Report = Ready | Beat | Points | Memory | PastPoints | PastDone | Trial | StillReport | Gone

_encoder = msgspec.msgpack.Encoder()
order_decoder: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
report_decoder: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def pack(message: Order | Report) -> bytes:
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


class Unframer:
    """Bytes as they come in, whole message bodies out."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises ``internal`` where a length cannot be true: the other side is broken."""
        self._pending += data
        while len(self._pending) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._pending)
            if size > LARGEST_MESSAGE_BYTES:
                raise ApplianceError("internal", f"a control message of {size} bytes")
            end = LENGTH.size + size
            if len(self._pending) < end:
                return
            body = bytes(self._pending[LENGTH.size : end])
            del self._pending[:end]
            yield body
