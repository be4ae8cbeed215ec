"""Look at a camera once: what it sends, and what an installer should change.

Blocking: run it in a thread. Reads until the second key frame, but no longer than asked.
"""

import msgspec

from appliance.base.clock import SECOND_NS, BoxClock, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.media.camera.audio import is_carried
from appliance.media.camera.certificate import Pinned
from appliance.media.camera.connect import connect
from appliance.media.camera.source import OPEN_TIMEOUT_S, RawPacket, Source, SourceFault, as_appliance_error
from appliance.media.fragment import TIMESCALE
from appliance.media.mp4 import h26x

LONG_GOP_S = 4.0
SKEW_S = 2.0


class ProbeReport(msgspec.Struct, frozen=True):
    """What ``camera test`` prints. ``codec_string`` as in RFC 6381; ``reorder``: B-frame depth, None
    where the camera does not say; ``key_frame_interval_s`` None: no second key frame in time;
    ``clock_skew_s``: the camera's clock less the box's, None where it sends no RTCP reports.
    ``hints`` are for people."""

    codec: str
    codec_string: str
    width: int
    height: int
    fps: float | None
    bitrate_bps: int | None
    key_frame_interval_s: float | None
    audio: str | None
    reorder: int | None
    clock_skew_s: float | None
    hints: tuple[str, ...]


def probe(
    url: str,
    credentials: Credentials | None,
    timeout_s: float = 10.0,
    *,
    clock: Clock | None = None,
    pinned: Pinned | None = None,
) -> ProbeReport:
    """Raises ``denied`` for a wrong password, ``unavailable`` for whatever else is in the way."""
    clock = clock or BoxClock()
    until_ns = clock.monotonic_ns() + int(timeout_s * SECOND_NS)
    try:
        source = connect(url, credentials, open_timeout_s=min(OPEN_TIMEOUT_S, timeout_s), pinned=pinned)
        try:
            source.hurry()
            look = _Look(source, clock)
            look.watch(until_ns)
            return look.report()
        finally:
            source.close()
    except SourceFault as fault:
        raise as_appliance_error(fault) from None


class _Look:
    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._keys: list[int] = []  # presentation times of key frames
        self._sets: list[bytes] = []
        self._stamps: list[int] = []
        self._bytes = 0
        self._skew_ns: int | None = None
        self._in_band = False

    def watch(self, until_ns: int) -> None:
        try:
            for packet in self._source.packets():
                if packet.is_video:
                    self._see(packet)
                if len(self._keys) >= 2 or self._clock.monotonic_ns() > until_ns:
                    return
        except SourceFault:
            if not self._keys:
                raise  # a file that ends after its first GOP has told enough

    def _see(self, packet: RawPacket) -> None:
        if packet.camera_ns is not None:
            self._time(packet.camera_ns)
        if packet.is_key:
            self._keys.append(packet.pts_90k)
            try:
                found = h26x.parameter_sets(self._source.codec, h26x.split_length_prefixed(packet.data))
            except ValueError:
                found = []
            self._in_band = self._in_band or bool(found)
            self._sets = found or self._sets
        if self._keys:
            self._stamps.append(packet.pts_90k)
            if len(self._keys) < 2:
                self._bytes += len(packet.data)

    def _time(self, camera_ns: int) -> None:
        # The least delayed picture says most.
        skew_ns = camera_ns - self._clock.now_ns()
        self._skew_ns = skew_ns if self._skew_ns is None else max(self._skew_ns, skew_ns)

    def report(self) -> ProbeReport:
        described = self._source.parameter_sets()
        sets = self._sets or described
        if not self._keys:
            raise ApplianceError(
                "unavailable", "the camera sent no key frame in time", "set its key-frame interval to 1-2 s"
            )
        parameters = h26x.parse(self._source.codec, sets)
        interval_s = (self._keys[1] - self._keys[0]) / TIMESCALE if len(self._keys) > 1 else None
        audio = self._source.audio.codec if self._source.audio else None
        skew_s = round(self._skew_ns / 1e9, 3) if self._skew_ns is not None else None
        bits = self._bytes * 8
        return ProbeReport(
            parameters.codec, parameters.codec_string, parameters.width, parameters.height, self._fps(),
            int(bits / interval_s) if interval_s else None, interval_s, audio, parameters.reorder, skew_s,
            tuple(self._hints(parameters, described, interval_s, audio, skew_s)),
        )  # fmt: skip

    def _fps(self) -> float | None:
        if len(self._keys) > 1:  # one whole GOP, whatever the order of its frames
            return round((len(self._stamps) - 1) * TIMESCALE / (self._keys[1] - self._keys[0]), 2)
        stamps = sorted(self._stamps)
        if len(stamps) < 3 or stamps[-1] == stamps[0]:
            return self._source.fps
        return round((len(stamps) - 1) * TIMESCALE / (stamps[-1] - stamps[0]), 2)

    def _hints(
        self,
        parameters: h26x.Parameters,
        described: list[bytes],
        interval_s: float | None,
        audio: str | None,
        skew_s: float | None,
    ) -> list[str]:
        hints = []
        if parameters.codec == "hevc":
            hints.append("H.265 does not show in most browsers: set the sub stream to H.264")
        if interval_s is None:
            hints.append("no second key frame came in time: set the key-frame interval to 1-2 s")
        elif interval_s > LONG_GOP_S:
            hints.append(f"a key frame only every {interval_s:.1f} s makes live view slow: set 1-2 s")
        if not described:
            hints.append(
                "the camera does not describe its stream beforehand: start takes up to one key frame"
            )
        elif not self._in_band:
            hints.append("parameters come only at the start: a change of settings shows after a reconnect")
        if self._source.audio is not None and not is_carried(self._source.audio):
            hints.append(f"sound as {audio} is not recorded: set it to AAC or G.711")
        if skew_s is not None and abs(skew_s) > SKEW_S:
            hints.append(f"the camera's clock is off by {skew_s:+.0f} s: point its NTP setting at this box")
        return hints
