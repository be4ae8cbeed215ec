"""Audio on its way to the segment: AAC as it is; G.711 decoded and encoded to AAC.

The one exception to "no codec in the daemon": MP4 players know no G.711.
"""

from typing import NamedTuple

from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler
from av.codec import CodecContext
from av.packet import Packet

from appliance.base.clock import SECOND_NS
from appliance.media.fragment import TIMESCALE, Fragment
from appliance.media.mp4.boxes import AudioParameters, aac_parameters
from appliance.media.mp4.fragmenter import audio_fragment

AAC_FRAME = 1024  # samples
FRAGMENT_S = 0.5
RESYNC_S = 0.25


class AudioFormat(NamedTuple):
    """What sound a source offers. ``codec`` by libav's name (aac, pcm_mulaw, pcm_alaw; others are not
    carried); ``config``: an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1), AAC alone."""

    codec: str
    rate_hz: int
    channels: int
    config: bytes


class AudioTrack:
    """Turns one run's audio packets into fragments; use it in the stream's thread."""

    def __init__(self, offered: AudioFormat) -> None:
        self.parameters, self._convert = _choose(offered)
        self._pending: list[bytes] = []
        self._decode: int | None = None
        self._sequence = 0

    def put(self, data: bytes, now_90k: int, wall_ns: int) -> Fragment | None:
        """One packet in; a fragment out every half second. ``now_90k``: run ticks at arrival."""
        self._pending += self._convert(data)
        rate = self.parameters.rate_hz
        if len(self._pending) * AAC_FRAME < FRAGMENT_S * rate:
            return None
        frames, self._pending = self._pending, []
        length = len(frames) * AAC_FRAME
        ought = max(0, now_90k * rate // TIMESCALE - length)
        if self._decode is None or ought > self._decode + RESYNC_S * rate:
            self._decode = max(ought, self._decode or 0)
        self._sequence += 1
        start_ns = wall_ns - length * SECOND_NS // rate
        made = audio_fragment(
            self._sequence, self._decode, frames, AAC_FRAME, start_ns, self._decode * TIMESCALE // rate
        )
        self._decode += length
        return made


def is_carried(offered: AudioFormat) -> bool:
    """Whether this sound can be recorded."""
    return offered.codec in ("pcm_mulaw", "pcm_alaw") or (offered.codec == "aac" and bool(offered.config))


def open_audio(offered: AudioFormat | None) -> AudioTrack | None:
    """None where there is no audio that we can carry."""
    return AudioTrack(offered) if offered is not None and is_carried(offered) else None


class _Passed:
    def __call__(self, data: bytes) -> list[bytes]:
        if data[:1] == b"\xff" and len(data) > 7 and data[1] & 0xF6 == 0xF0:
            data = data[7 if data[1] & 1 else 9 :]  # ADTS header (ISO/IEC 14496-3, 1.A.2.2)
        return [bytes(data)]


class _Encoded:
    def __init__(self, name: str, rate_hz: int) -> None:
        decoder = CodecContext.create(name, "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.sample_rate = rate_hz
        decoder.layout = "mono"
        self._decoder = decoder
        encoder = CodecContext.create("aac", "w")
        assert isinstance(encoder, AudioCodecContext)
        encoder.sample_rate = rate_hz
        encoder.layout = "mono"
        encoder.format = "fltp"
        encoder.bit_rate = 32_000
        encoder.options = {"flags": "+global_header"}
        encoder.open()
        self.encoder = encoder
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=rate_hz)
        self._fifo = AudioFifo()

    def __call__(self, data: bytes) -> list[bytes]:
        out = []
        for frame in self._decoder.decode(Packet(data)):
            for converted in self._resampler.resample(frame):
                converted.pts = None
                self._fifo.write(converted)
        while (block := self._fifo.read(AAC_FRAME)) is not None:
            block.pts = None
            out += [bytes(packet) for packet in self.encoder.encode(block)]
        return out


def _choose(offered: AudioFormat) -> tuple[AudioParameters, _Passed | _Encoded]:
    if offered.codec == "aac":
        return aac_parameters(offered.config, offered.rate_hz, offered.channels), _Passed()
    encoded = _Encoded(offered.codec, offered.rate_hz)
    config = bytes(encoded.encoder.extradata or b"")
    return AudioParameters(config, offered.rate_hz, 1), encoded
