"""Files and HTTP streams through PyAV. The one place with libav's errors.

Error texts of libav hold whole URLs with passwords: none leaves this file.
"""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from appliance.base.model import Credentials
from appliance.media.camera.address import with_login
from appliance.media.camera.audio import AudioFormat
from appliance.media.camera.source import (
    MOST_EMPTY,
    NOTHING_SENT,
    OTHER_CODEC,
    READ_TIMEOUT_S,
    RawPacket,
    SourceFault,
    network_fault,
)
from appliance.media.fragment import TIMESCALE
from appliance.media.mp4 import h26x

HTTP_FORMATS = "mov,mpegts,mpjpeg,mjpeg,jpeg_pipe"  # MJPEG so that it can be refused with a hint


class LibavSource:
    """A ``Source`` of what libav can open."""

    def __init__(self, container: InputContainer, *, paced: bool, loop: bool) -> None:
        self._container = container
        self._paced = paced
        self._loop = loop
        videos = container.streams.video
        if not videos:
            raise SourceFault("no_video", "the camera answers, but offers no video")
        self._video: VideoStream = videos[0]
        name = self._video.codec_context.name
        if name not in ("h264", "hevc"):
            raise SourceFault("no_video", f"the camera sends {name}; set it to H.264 or H.265")
        self.codec: h26x.Codec = "h264" if name == "h264" else "hevc"
        sound = container.streams.audio[0] if container.streams.audio else None
        self.audio = format_of(sound) if sound is not None else None
        self._streams = [self._video] if sound is None else [self._video, sound]
        self._annex_b = self._is_annex_b()
        rate = self._video.guessed_rate or self._video.average_rate
        self.fps: float | None = float(rate) if rate and 0.2 < rate < 240 else None

    def hurry(self) -> None:
        """Give a file's packets as fast as they can be read."""
        self._paced = False

    def parameter_sets(self) -> list[bytes]:
        """What the SDP or the file's header says; may be empty or wrong."""
        extradata = self._video.codec_context.extradata
        try:
            return h26x.from_extradata(self.codec, bytes(extradata)) if extradata else []
        except IndexError:
            return []

    def _is_annex_b(self) -> bool:
        extradata = self._video.codec_context.extradata
        return not extradata or bytes(extradata[:1]) != b"\x01"

    def packets(self) -> Iterator[RawPacket]:
        """Until the connection ends, which is always a ``SourceFault``."""
        shift, last_end, origin, empty = 0, 0, None, 0
        began = time.monotonic()
        try:
            while True:
                for packet, is_video, stamp_90k in self._demuxed():
                    pts = stamp_90k + shift
                    if origin is None:
                        origin = pts
                    if is_video:
                        last_end = max(last_end, pts + TIMESCALE // 15)
                    if self._paced:
                        self._pace(packet, shift - origin, began)
                    data = self._prefixed(packet, is_video)
                    if is_video and not h26x.has_slice(self.codec, data):
                        empty += 1  # parameter sets under a time of their own, or another codec
                        if empty > MOST_EMPTY:
                            raise SourceFault("no_video", OTHER_CODEC)
                        continue
                    empty = 0 if is_video else empty
                    yield RawPacket(is_video, data, pts, packet.is_keyframe)
                if not self._loop:
                    raise SourceFault("no_video", "the camera ended the stream")
                self._container.seek(0)
                shift = last_end - (origin or 0)
        except (av.error.ExitError, av.error.TimeoutError) as error:  # it answers, so it is not offline
            raise SourceFault("no_video", NOTHING_SENT) from error
        except av.error.FFmpegError as error:
            raise fault_from(error, "the camera stopped sending") from error

    def _demuxed(self) -> Iterator[tuple["av.Packet[Any]", bool, int]]:
        """(packet, whether video, its time) of one pass over the streams."""
        for packet in self._container.demux(*self._streams):
            stamp = packet.pts if packet.pts is not None else packet.dts
            base = packet.time_base
            if packet.size and stamp is not None and base is not None:
                pts = stamp * base.numerator * TIMESCALE // base.denominator
                yield packet, packet.stream_index == self._video.index, pts

    def _prefixed(self, packet: "av.Packet[Any]", is_video: bool) -> bytearray:
        data = bytearray(memoryview(packet))
        return h26x.to_length_prefixed(data) if is_video and self._annex_b else data

    def _pace(self, packet: "av.Packet[Any]", shift: int, began: float) -> None:
        base = packet.time_base
        if packet.dts is None or base is None:
            return
        due = began + packet.dts * base.numerator / base.denominator + shift / TIMESCALE
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, READ_TIMEOUT_S))

    def close(self) -> None:
        self._container.close()


def open_libav(url: str, credentials: Credentials | None, open_timeout_s: float) -> LibavSource:
    """Open a file or an HTTP stream; blocks up to ``open_timeout_s``. Raises ``SourceFault``."""
    parts = urlsplit(url)
    paced = parts.scheme in ("file", "http", "https")
    loop = parts.scheme == "file" and parse_qs(parts.query).get("loop") == ["1"]
    target = parts.path if parts.scheme == "file" else with_login(url, credentials)
    # Lists (HLS, concat) would have the box fetch whatever address a stranger's camera names.
    options = {"format_whitelist": HTTP_FORMATS} if parts.scheme in ("http", "https") else {}
    began = time.monotonic()
    try:
        container = av.open(target, options=options, timeout=(open_timeout_s, READ_TIMEOUT_S))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if time.monotonic() - began > 0.9 * open_timeout_s:  # libav calls an interrupted read invalid
            raise SourceFault("camera_offline", "the camera does not answer: no data in time") from None
        raise fault_from(error, "the camera does not answer") from None
    try:
        if paced and "mpegts" in container.format.name:
            paced = False  # a live transport stream has its own pace
        return LibavSource(container, paced=paced, loop=loop)
    except BaseException:  # whatever is wrong with its streams, the connection is ours to close
        container.close()
        raise


def format_of(stream: AudioStream) -> AudioFormat:
    context = stream.codec_context
    extradata = bytes(context.extradata or b"")
    return AudioFormat(context.name, context.sample_rate or 8000, context.channels or 1, extradata)


def fault_from(error: Exception, what: str) -> SourceFault:
    """libav's errors in our words; their texts are not passed on."""
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return SourceFault("auth_failed", "the camera refuses the user name or password")
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceFault("no_video", "the camera knows no such stream; check the path of the URL")
    if isinstance(error, av.error.InvalidDataError | av.error.HTTPClientError):
        return SourceFault("no_video", f"{what}: its answer cannot be understood")
    if isinstance(error, av.error.ArgumentError):
        return SourceFault(
            "no_video", "this address sends no video of a known kind; over HTTP, MP4 and TS are"
        )
    if isinstance(error, av.error.ExitError):  # we interrupted it: the time was up
        return network_fault(TimeoutError(), what)
    return network_fault(error, what)
