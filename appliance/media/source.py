"""Opening a camera: URL + credentials -> packets, through PyAV. The one place with libav's errors.

Short probing: parameter sets come from the SDP or from the first key frame, so that libav need not
look for them (its defaults cost 5 s and 8 MB a stream). Error texts of libav hold whole URLs with
passwords: none leaves this file.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from appliance.base.errors import ApplianceError, Kind, invalid
from appliance.base.model import Credentials, GapCause
from appliance.media import h26x
from appliance.media.certificate import Pinned, check
from appliance.media.fragment import TIMESCALE
from appliance.media.fragmenter import MAX_REORDER

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 4.0
MOST_EMPTY = 4  # packets in a row without a picture
NOTHING_SENT = "the camera stopped sending: no data in time"
RTSPS_PORT = 322
RTSP_OPTIONS = {"rtsp_transport": "tcp", "probesize": "32", "analyzeduration": "1", "fpsprobesize": "0"}
HTTP_FORMATS = "mov,mpegts,mpjpeg,mjpeg,jpeg_pipe"  # MJPEG so that it can be refused with a hint
USER_KEYS = ("user", "username")
PASSWORD_KEYS = ("password", "pwd")


class SourceFault(Exception):
    """The camera gives no video. ``cause`` goes to the ledger, the text to the screen."""

    def __init__(self, cause: GapCause, text: str) -> None:
        super().__init__(text)
        self.cause: GapCause = cause


class RawPacket(NamedTuple):
    """``data``: length-prefixed NAL units of one picture, or one audio frame as it came."""

    is_video: bool
    data: bytearray
    pts_90k: int
    is_key: bool


class Source:
    """An open connection. Use it in one thread, and ``close`` it there."""

    def __init__(self, container: InputContainer, url: str, *, paced: bool, loop: bool) -> None:
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
        self.on_packet: Callable[[av.Packet[Any]], None] | None = None  # the probe looks at side data
        self.audio: AudioStream | None = container.streams.audio[0] if container.streams.audio else None
        self._streams = [self._video] if self.audio is None else [self._video, self.audio]
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
                            raise SourceFault("no_video", "the camera sends another codec than it announced")
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
        shift: int | None = None  # known with the second picture
        asked = time.monotonic()
        begun = False
        for packet in self._container.demux(*self._streams):
            # libav's parser holds the last picture until another comes, or until the read timed out: then
            # the silence is as old as the timeout, and the next read would wait for a second one.
            is_flushed = time.monotonic() - asked > 0.95 * READ_TIMEOUT_S and not self._paced
            is_video = packet.stream_index == self._video.index
            stamp = packet.pts if packet.pts is not None else packet.dts
            base = packet.time_base
            if packet.size and stamp is not None and base is not None:
                pts = stamp * base.numerator * TIMESCALE // base.denominator
                if is_video and shift is None:
                    shift = self._shift(pts) if begun else 0
                if self.on_packet is not None:
                    self.on_packet(packet)
                begun = begun or is_video
                yield packet, is_video, pts + (shift or 0)
            elif packet.size and is_video and not begun:
                begun = True
                yield packet, True, 0
            if is_flushed:
                raise SourceFault("no_video", NOTHING_SENT)
            asked = time.monotonic()

    def _shift(self, second_90k: int) -> int:
        """libav does not say when the first picture of an RTSP session is shown, though it is the key
        frame everybody waits for: we call that 0, and so does libav, unless the camera's clock report
        came first. ``second_90k``: what it says of the second, in decoding order."""
        step_90k = int(TIMESCALE / (self.fps or 15.0))
        return 0 if 0 < second_90k <= (MAX_REORDER + 1) * step_90k else step_90k - second_90k

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


def connect(
    url: str,
    credentials: Credentials | None,
    *,
    open_timeout_s: float = OPEN_TIMEOUT_S,
    pinned: Pinned | None = None,
) -> Source:
    """Open ``url``; blocks up to ``open_timeout_s``. Raises ``SourceFault``.

    ``pinned``: the certificate that an ``rtsps`` camera showed first, and where to keep it.
    """
    parts = urlsplit(url)
    if parts.scheme == "rtsps" and pinned is not None:
        try:
            check(parts.hostname or "", parts.port or RTSPS_PORT, pinned, open_timeout_s)
        except PermissionError as error:
            raise SourceFault("auth_failed", str(error)) from None
        except (OSError, ValueError) as error:
            raise fault_from(error, "the camera does not answer") from None
    paced = parts.scheme in ("file", "http", "https")
    loop = parts.scheme == "file" and parse_qs(parts.query).get("loop") == ["1"]
    target = parts.path if parts.scheme == "file" else with_credentials(url, credentials)
    options = RTSP_OPTIONS if parts.scheme in ("rtsp", "rtsps") else {}
    if parts.scheme == "rtsps":
        options = options | {"tls_verify": "0"}  # cameras sign themselves; the pin is checked instead
    if parts.scheme in ("http", "https"):
        # Lists (HLS, concat) would have the box fetch whatever address a stranger's camera names.
        options = {"format_whitelist": HTTP_FORMATS}
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
        return Source(container, url, paced=paced, loop=loop)
    except BaseException:  # whatever is wrong with its streams, the connection is ours to close
        container.close()
        raise


def with_credentials(url: str, credentials: Credentials | None) -> str:
    """For libav alone; never to be shown. DVRs that want ``?user=&password=`` get them there."""
    if credentials is None:
        return url
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    if any(query.get(key) == [""] for key in PASSWORD_KEYS):
        for key in query:
            if query[key] == [""] and key in USER_KEYS:
                query[key] = [credentials.username]
            elif query[key] == [""] and key in PASSWORD_KEYS:
                query[key] = [credentials.password]
        return urlunsplit(parts._replace(query=urlencode(query, doseq=True, quote_via=quote)))
    login = f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def fault_from(error: Exception, what: str) -> SourceFault:
    """libav's errors in our words; their texts are not passed on."""
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return SourceFault("auth_failed", "the camera refuses the user name or password")
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceFault("no_video", "the camera knows no such stream; check the path of the URL")
    if isinstance(error, av.error.InvalidDataError | av.error.HTTPClientError):
        return SourceFault("no_video", f"{what}: its answer cannot be understood")
    if isinstance(error, av.error.TimeoutError | av.error.ExitError | TimeoutError):
        return SourceFault("camera_offline", f"{what}: no data in time")
    if isinstance(error, ConnectionRefusedError):
        return SourceFault("camera_offline", f"{what}: connection refused")
    if isinstance(error, FileNotFoundError):
        return SourceFault("camera_offline", f"{what}: no such file")
    if isinstance(error, av.error.ArgumentError):
        return SourceFault(
            "no_video", "this address sends no video of a known kind; over HTTP, MP4 and TS are"
        )
    if isinstance(error, av.error.EOFError):
        return SourceFault("camera_offline", f"{what}: it closed the connection")
    return SourceFault("camera_offline", f"{what} ({type(error).__name__})")


def check_url(url: str, *, allow_files: bool) -> None:
    """Raises ``invalid`` for what no stream thread could ever open."""
    scheme = urlsplit(url).scheme
    if scheme == "file" and not allow_files:
        hint = "set allow_file_sources = true in appliance.toml"
        raise invalid("file sources are not allowed", hint, field="rtsp_url")
    if scheme not in ("rtsp", "rtsps", "http", "https", "file", "sim"):
        raise invalid(f"{scheme or 'this'} is not a camera URL", "begin it with rtsp://", field="rtsp_url")


def as_appliance_error(fault: SourceFault) -> ApplianceError:
    """For people who test a URL by hand."""
    hints: dict[str, str] = {
        "auth_failed": "check the user name and password in the camera's own page",
        "no_video": "check the path of the URL in the camera's manual",
    }
    kind: Kind = "denied" if fault.cause == "auth_failed" else "unavailable"
    hint = hints.get(fault.cause, "check the cable, the address and that RTSP is switched on in the camera")
    return ApplianceError(kind, str(fault), hint)
