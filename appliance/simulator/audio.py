"""A tone for scenes that are heard: G.711 (ITU-T) or AAC, encoded once and repeated."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import av
import msgspec
import numpy as np

from appliance.base.clock import Clock
from appliance.simulator.sample import AUDIO, NS, AudioFormat, Sample
from appliance.simulator.spec import AudioKind

_G711_HZ, _AAC_HZ = 8_000, 16_000
_G711_SAMPLES, _AAC_SAMPLES = 320, 1_024  # per packet: 40 ms and 64 ms
_TONE_HZ = 500  # a whole number of waves in every packet of either, so that the loop has no click
_LOUDNESS = 8_000  # of 32767


class Tone(msgspec.Struct, frozen=True):
    """``frames`` are repeated for ever; each lasts ``samples`` of ``format.rate_hz``."""

    format: AudioFormat
    frames: tuple[bytes, ...]
    samples: int


@lru_cache(maxsize=4)
def make_tone(kind: AudioKind) -> Tone | None:
    if kind == "none":
        return None
    if kind == "aac":
        return _aac()
    wave = _wave(_G711_HZ, _G711_SAMPLES)
    codec = "pcm_mulaw" if kind == "pcmu" else "pcm_alaw"
    frames, _ = _encode(codec, _G711_HZ, "s16", wave.reshape(1, -1), _G711_SAMPLES)
    return Tone(AudioFormat(kind, _G711_HZ), tuple(frames), _G711_SAMPLES)


async def run_tone(tone: Tone, clock: Clock, began_ns: int, sink: Callable[[Sample], None]) -> None:
    """Deliver ``tone`` from media time 0 = ``began_ns`` (monotonic) on, for ever."""
    number = 0
    while True:
        pts_ns = number * tone.samples * NS // tone.format.rate_hz
        wait_ns = began_ns + pts_ns - clock.monotonic_ns()
        if wait_ns > 0:
            await clock.sleep(wait_ns / NS)
        elif wait_ns < -NS:
            number += -wait_ns * tone.format.rate_hz // NS // tone.samples
            continue
        frame = tone.frames[number % len(tone.frames)]
        sink(Sample(AUDIO, tone.format.codec, [frame], pts_ns, False))
        number += 1


def _aac() -> Tone:
    wave = _wave(_AAC_HZ, _AAC_SAMPLES * 40).astype(np.float32) / 32_768
    frames, config = _encode("aac", _AAC_HZ, "fltp", wave.reshape(1, -1), _AAC_SAMPLES)
    # the first frames hold the encoder's run-in; after it every frame continues the one before
    return Tone(AudioFormat("aac", _AAC_HZ, config=config), tuple(frames[4:36]), _AAC_SAMPLES)


def _wave(rate_hz: int, samples: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    angle = 2 * math.pi * _TONE_HZ / rate_hz * np.arange(samples)
    wave: np.ndarray[tuple[int], np.dtype[np.int16]] = (np.sin(angle) * _LOUDNESS).astype(np.int16)
    return wave


def _encode(
    codec: str,
    rate_hz: int,
    form: str,
    wave: np.ndarray[tuple[int, int], np.dtype[np.generic]],
    size: int,
) -> tuple[list[bytes], bytes]:
    context = av.AudioCodecContext.create(codec, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.bit_rate = 32_000  # G.711 knows only one and takes no notice
    context.sample_rate, context.layout, context.format = rate_hz, "mono", form
    context.time_base = Fraction(1, rate_hz)
    context.open()
    frames = []
    for at in range(0, wave.shape[1], size):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[:, at : at + size]), form, "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, at, context.time_base
        frames += [bytes(packet) for packet in context.encode(frame)]
    frames += [bytes(packet) for packet in context.encode(None)]
    return [frame for frame in frames if frame], context.extradata or b""
