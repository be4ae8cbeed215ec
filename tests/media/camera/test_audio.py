"""Sound on its way to the file: AAC untouched, G.711 as AAC, half-second fragments, no drift."""

import av
import numpy
import pytest

from appliance.media.camera.audio import AAC_FRAME, AudioFormat, _Passed, open_audio

RATE = {"aac": 16_000, "pcm_mulaw": 8_000}


def _fragments(sound) -> list:
    made = [sound.track.put(data, at + 1800, at * 100_000 // 9) for data, at in sound.packets]
    return [fragment for fragment in made if fragment is not None]


def _frames(fragment) -> list[bytes]:
    count = int.from_bytes(fragment.head[84:88], "big")
    sizes = [int.from_bytes(fragment.head[92 + 4 * n : 96 + 4 * n], "big") for n in range(count)]
    at, out = 0, []
    for size in sizes:
        out.append(fragment.body[at : at + size])
        at += size
    assert at == len(fragment.body)
    return out


def test_half_a_second_each_without_a_hole(sound) -> None:
    fragments = _fragments(sound)
    rate = sound.track.parameters.rate_hz
    decodes = [int.from_bytes(f.head[64:72], "big") for f in fragments]
    for fragment, decode, after in zip(fragments, decodes, decodes[1:], strict=False):
        length = len(_frames(fragment)) * AAC_FRAME
        assert after == decode + length
        assert 0.5 <= length / rate < 0.7
    assert 7 <= len(fragments) * 0.5 <= 9


def test_it_decodes_to_the_tone_that_went_in(sound) -> None:
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = sound.track.parameters.config
    wave = []
    for fragment in _fragments(sound):
        for data in _frames(fragment):
            wave += [frame.to_ndarray()[0] for frame in decoder.decode(av.Packet(data))]
    samples = numpy.concatenate(wave)[8000:]
    loudest = numpy.abs(numpy.fft.rfft(samples)).argmax() * sound.track.parameters.rate_hz / len(samples)
    assert loudest == pytest.approx(440, abs=3)


def test_after_a_silence_time_goes_on(sound) -> None:
    half = len(sound.packets) // 2
    for data, at in sound.packets[:half]:
        sound.track.put(data, at, 0)
    late = [sound.track.put(data, at + 10 * 90_000, 0) for data, at in sound.packets[half:]]
    first = next(fragment for fragment in late if fragment is not None)
    seconds = int.from_bytes(first.head[64:72], "big") / sound.track.parameters.rate_hz
    assert seconds == pytest.approx(4 + 10, abs=0.7)


def test_adts_headers_are_taken_off() -> None:
    passed = _Passed()
    assert passed(b"\xff\xf1" + b"\x50\x80\x02\x1f\xfc" + b"frame") == [b"frame"]
    assert passed(b"\xff\xf0" + b"\x50\x80\x02\x1f\xfc" + b"cc" + b"frame") == [b"frame"]
    assert passed(b"plain") == [b"plain"]


def test_what_cannot_be_carried_is_left_out() -> None:
    assert open_audio(None) is None
    for name, config in (("opus", b"x"), ("aac", b""), ("adpcm_g726", b"")):
        assert open_audio(AudioFormat(name, 8000, 1, config)) is None
