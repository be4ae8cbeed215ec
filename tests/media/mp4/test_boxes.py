"""Boxes: built, walked, and read again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.media.mp4 import boxes
from appliance.media.play.layout import parse_init

kinds = st.binary(min_size=4, max_size=4)


@given(st.lists(st.tuples(kinds, st.binary(max_size=40)), max_size=8), st.integers(0, 60))
def test_a_walk_finds_what_was_built_and_stops_at_what_is_torn(made, cut) -> None:
    data = b"".join(boxes.box(kind, body) for kind, body in made)
    found = list(boxes.walk(data))
    assert [(i.kind, data[i.offset + i.header : i.offset + i.size]) for i in found] == made
    shorter = data[: max(0, len(data) - cut)]
    assert list(boxes.walk(shorter)) == [i for i in found if i.offset + i.size <= len(shorter)]


@given(st.binary(max_size=200))
def test_a_walk_over_strangers_bytes_ends(data) -> None:
    at = 0
    for item in boxes.walk(data):
        assert item.offset == at
        at += item.size
    assert at <= len(data)


def test_large_boxes() -> None:
    data = (1).to_bytes(4, "big") + b"mdat" + (26).to_bytes(8, "big") + bytes(10)
    assert list(boxes.walk(data)) == [boxes.BoxAt(b"mdat", 0, 26, 16)]


@pytest.mark.parametrize("name", ["film", "film_hevc"])
def test_an_init_segment_says_what_went_into_it(request, aac, name) -> None:
    film = request.getfixturevalue(name)
    audio, _ = aac
    for sound in (None, audio, boxes.AudioParameters(b"\x10\x10", 96_000, 2)):
        found = parse_init(boxes.init_segment(film.parameters, sound), Path("x"))
        assert found.audio == sound
        video = film.parameters
        assert (found.video.codec, found.video.config) == (video.codec, video.config)
        assert (found.video.width, found.video.height) == (video.width, video.height)
    for wrong in (b"", b"\0" * 100, boxes.ftyp(), boxes.init_segment(film.parameters)[:-300]):
        with pytest.raises(ApplianceError) as caught:
            parse_init(wrong, Path("x"))
        assert caught.value.kind == "data_loss"
