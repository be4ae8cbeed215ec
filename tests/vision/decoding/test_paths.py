"""Which path a camera gets: the cheapest that works, software where none does, and always the reason."""

import sys

import numpy as np
import pytest

from appliance.vision.decoding import probe
from appliance.vision.decoding.camera import CameraDecoder
from appliance.vision.decoding.decoder import Software
from appliance.vision.decoding.paths import OPENERS, Measured, choose
from appliance.vision.decoding.planes import luma


class Card:
    """A hardware path that is software inside, with the faults that hardware has."""

    path = "card"
    sessions = 99
    fails_at = None
    silent = False

    def __init__(self, codec, config):
        if Card.sessions <= 0:
            raise RuntimeError("out of sessions")
        Card.sessions -= 1
        self.real, self.seen = Software(codec, config), 0

    def decode(self, body, time_ns, *, spare):
        self.seen += 1
        if self.seen == Card.fails_at:
            raise RuntimeError("the driver says no")
        frames = self.real.decode(body, time_ns, spare=spare)
        return [] if Card.silent else frames

    def close(self):
        Card.sessions += 1


@pytest.fixture(autouse=True)
def card(monkeypatch):
    monkeypatch.setattr(Card, "sessions", 99)
    monkeypatch.setattr(Card, "fails_at", None)
    monkeypatch.setattr(Card, "silent", False)
    return Card


def camera():
    return CameraDecoder(lambda _: False, lambda: 40_000_000, {"card": Card})


def play(decoder, stream, packets=None):
    return [
        frame.pts
        for body, at, is_key in (stream.packets if packets is None else packets)
        for frame in decoder.take(body, at, is_key=is_key)
    ]


def test_a_path_that_works_is_used_and_named(make_stream):
    stream, decoder = make_stream("h264", 30, [0]), camera()
    decoder.start(stream.codec, stream.config)
    assert play(decoder, stream) == sorted(stream.truth)
    assert decoder.path == "card"
    assert decoder.decode_ms > 0
    decoder.stop()
    assert Card.sessions == 99


def test_the_camera_that_gets_no_session_decodes_in_software_alone(make_stream, card):
    card.sessions = 1
    stream, first, second = make_stream("h264", 30, [0]), camera(), camera()
    for decoder in (first, second):
        decoder.start(stream.codec, stream.config)
    assert play(second, stream) == sorted(stream.truth)
    assert first.path == "card"
    assert second.path == "software (card: out of sessions)"
    first.stop()
    second.start(stream.codec, stream.config)  # the next run asks again
    assert second.path == "card"


def test_a_path_that_fails_before_its_first_picture_costs_none(make_stream, card):
    card.fails_at = 1
    stream, decoder = make_stream("h264", 30, [0]), camera()
    decoder.start(stream.codec, stream.config)
    assert play(decoder, stream) == sorted(stream.truth)
    assert decoder.path == "software (card: the driver says no)"
    assert Card.sessions == 99


def test_a_path_that_gives_no_pictures_is_left(make_stream, card):
    card.silent = True
    stream, decoder = make_stream("h264", 80, [0]), camera()
    decoder.start(stream.codec, stream.config)
    assert play(decoder, stream) == sorted(stream.truth)
    assert decoder.path.startswith("software (card: no picture out of")


def test_a_path_that_fails_later_begins_again_at_the_next_key_frame(make_stream, card):
    card.fails_at = 12
    stream, decoder = make_stream("h264", 30, [0, 20]), camera()
    decoder.start(stream.codec, stream.config)
    with pytest.raises(RuntimeError):
        play(decoder, stream)
    decoder.failed()
    card.fails_at = None
    assert play(decoder, stream, stream.packets[12:]) == sorted(stream.truth)[20:]
    assert decoder.path == "card"


def test_packets_that_nobody_can_decode_are_not_held_against_a_path(make_stream, card):
    card.fails_at = 1
    stream, decoder = make_stream("h264", 30, [0]), camera()
    decoder.start(stream.codec, stream.config)
    with pytest.raises(Exception, match="Invalid data"):
        play(decoder, stream, [(b"\0\0\0\x20\x65" + b"\xff" * 31, 0, True)])
    card.fails_at = None
    decoder.failed()
    assert decoder.path == "card"


# -- the choice -----------------------------------------------------------------------------


def opened(name, measured, wanted="auto"):
    choice = choose(measured, wanted)
    if name not in choice:
        return "not tried"
    try:
        return choice[name]("h264", b"").path
    except RuntimeError as error:
        return str(error)


@pytest.fixture
def slots(monkeypatch):
    monkeypatch.setattr("appliance.vision.decoding.paths.OPENERS", {**OPENERS, "cuda": Card, "qsv": Card})


YARD = Measured("software", "h264", 2.0, 2.0)


@pytest.mark.parametrize(
    ("found", "wanted", "outcome"),
    [
        (Measured("cuda", "h264", 0.4, 3.0), "auto", "card"),
        (Measured("cuda", "h264", 0.4, 3.0), "software", "not tried"),
        (Measured("cuda", "h264", 1.9, 3.0), "auto", "costs 1.9 ms of CPU a frame, software 2.0"),
        (Measured("cuda", "h264", 1.9, 3.0), "cuda", "card"),
        (Measured("cuda", "h264", 0.4, 40.0), "auto", "takes 40 ms a frame"),
        (Measured("cuda", "h264", reason="gives other pictures"), "auto", "gives other pictures"),
        (Measured("cuda", "h264", reason="gives other pictures"), "cuda", "gives other pictures"),
        (Measured("qsv", "h264", 0.4, 3.0), "cuda", "not on this machine"),
        (Measured("cuda", "hevc", 0.4, 3.0), "auto", "not on this machine"),
    ],
)
def test_what_the_probe_found_decides(slots, found, wanted, outcome):
    assert opened("cuda", [YARD, found], wanted) == outcome


def test_the_cheaper_of_two_is_tried_first():
    two = [YARD, Measured("cuda", "h264", 0.9, 3.0), YARD, Measured("qsv", "h264", 0.3, 3.0)]
    assert list(choose(two)) == ["qsv", "cuda"]
    assert choose([]) == {}


# -- the probe ------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["h264", "hevc"])
def clip(request):
    return probe.make_clip(request.param, (320, 180), 16)


def truth(clip):
    decoder = Software(clip.codec, clip.config)
    return {f.pts: luma(f).copy() for b, at in clip.packets for f in decoder.decode(b, at, spare=False)}


def test_software_passes_its_own_probe(clip):
    found = probe.measure("software", Software, clip, truth(clip))
    assert found.reason == ""
    assert found.cpu_ms > 0 and found.wall_ms > 0


def test_wrong_few_and_no_pictures_are_told_apart(clip, card):
    right = truth(clip)
    shifted = {at: np.roll(plane, 16, axis=1) for at, plane in right.items()}
    assert "other pictures" in probe.measure("card", Card, clip, shifted).reason
    assert "other pictures" in probe.measure("card", Card, clip, {}).reason
    card.silent = True
    assert probe.measure("card", Card, clip, right).reason == "0 pictures out of 16 packets"
    card.sessions = 0
    assert probe.measure("card", Card, clip, right).reason == "out of sessions"


def test_each_path_is_surveyed_in_a_child_and_hanging_ones_are_left(monkeypatch):
    assert probe.survey([]) == []
    found = probe.survey(["vaapi"], 30.0)
    assert [(m.path, m.codec) for m in found] == [
        ("software", "h264"), ("vaapi", "h264"), ("software", "hevc"), ("vaapi", "hevc"),
    ]  # fmt: skip
    assert not found[0].reason and not found[2].reason
    late = probe.survey(["vaapi"], 0.05)
    assert [m.reason for m in late] == ["gave no answer within 0 s"] * 2
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert [m.reason for m in probe.survey(["vaapi"], 5.0)] == ["the probe ended with 1"] * 2
