"""Parameter sets: of real cameras, of real encoders, and of nobody."""

import base64
import os
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.media.mp4 import h26x

ROOT = Path(__file__).parents[3]


def answers() -> Path | None:
    folders = os.environ.get("APPLIANCE_ASSETS_PATH", str(ROOT.parent / "shared" / "data")).split(":")
    found = [Path(folder) / "rtsp" / "answers" for folder in folders]
    return next((folder for folder in found if folder.is_dir()), None)


# nal bodies never hold what looks like a start code, and never end in a zero (7.4.1)
nal = st.binary(min_size=1, max_size=40).map(
    lambda body: b"\x65" + re.sub(rb"\0\0+[\1-\3]?", b"\0\x09", body) + b"\x80"
)


@given(st.lists(st.tuples(nal, st.booleans()), min_size=1, max_size=8))
def test_lengths_for_start_codes_of_either_size(units) -> None:
    annex_b = b"".join((b"\0\0\0\1" if long else b"\0\0\1") + body for body, long in units)
    prefixed = h26x.to_length_prefixed(bytearray(annex_b))
    assert h26x.split_length_prefixed(prefixed) == [body for body, _ in units]
    assert h26x.split_annex_b(annex_b) == [body for body, _ in units]


@given(st.lists(nal, min_size=1, max_size=5), st.binary(max_size=9))
def test_lengths_that_do_not_fit_are_refused(units, more) -> None:
    sample = b"".join(len(u).to_bytes(4, "big") + u for u in units)
    assert h26x.split_length_prefixed(sample) == units
    for wrong in (sample[:-1], sample + b"\0\0\0\0", sample + b"\0\0\1\0" + more):
        with pytest.raises(ValueError):
            h26x.split_length_prefixed(wrong)


SIZES = {  # of cameras whose answer, or whose encoder, tells it in another place too
    "bunny_describe.txt": (240, 160),
    "reolink_describe.txt": (2560, 1440),
    "hikvision_describe.txt": (1920, 1080),
}


def described() -> list[tuple[str, str, list[bytes]]]:
    found = []
    for path in sorted((answers() or Path("/nowhere")).glob("*.txt")):
        text = path.read_text(errors="replace")
        if match := re.search(r"sprop-parameter-sets=([^;\s]+)", text):
            codec, parts = "h264", match[1].split(",")
        elif "sprop-vps" in text:
            codec, parts = (
                "hevc",
                [re.search(rf"sprop-{k}=([^;\s]+)", text)[1] for k in ("vps", "sps", "pps")],
            )
        else:
            continue
        found.append((path.name, codec, [base64.b64decode(part) for part in parts]))
    return found


@pytest.mark.parametrize(("name", "codec", "sets"), described() or [("none", "", [])])
def test_what_real_cameras_say(name: str, codec: str, sets: list[bytes]) -> None:
    if not sets:
        pytest.skip("the recorded answers of cameras are not here; set APPLIANCE_ASSETS_PATH")
    found = h26x.parse(codec, sets)
    assert 100 <= found.height <= found.width <= 6000
    assert found.width % 2 == found.height % 2 == 0
    if name in SIZES:
        assert (found.width, found.height) == SIZES[name]
    # libav makes a decoder of our configuration and finds the same sets in it.
    again = h26x.from_extradata(codec, found.config)
    assert sorted(again) == sorted(set(sets))
    decoder = av.CodecContext.create(codec, "r")
    decoder.extradata = found.config
    decoder.open()
    kind = "avc1" if codec == "h264" else "hvc1"
    assert re.fullmatch(kind + r"\.[0-9A-C][0-9A-Fa-fLH.]+", found.codec_string)
    annex_b = b"".join(b"\0\0\0\1" + s for s in sets)
    # As libav hands it over; what some cameras leave behind a set (zeros, a start code) goes.
    plain = [s.partition(b"\0\0\0\1")[0].rstrip(b"\0") for s in sets]
    units = [unit.rstrip(b"\0") for unit in h26x.from_extradata(codec, annex_b)]
    assert units == list(dict.fromkeys(plain))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("size", [(64, 48), (130, 98), (176, 144), (1918, 1078)])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_encoders(codec: str, size: tuple[int, int], b_frames: int) -> None:
    if size[0] > 1000 and b_frames:
        pytest.skip("one large picture is enough")
    encoder = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 15)
    key = "x264-params" if codec == "h264" else "x265-params"
    encoder.options = {"preset": "ultrafast", key: f"bframes={b_frames}:log-level=none:b-adapt=0:b-pyramid=0"}
    packets = []
    for number in range(6):
        frame = av.VideoFrame.from_ndarray(
            numpy.full((size[1], size[0], 3), number * 20, numpy.uint8), "rgb24"
        )
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = h26x.split_annex_b(bytes(packets[0]))
    found = h26x.parse(codec, h26x.parameter_sets(codec, units))
    assert (found.width, found.height) == size
    assert found.reorder in (None, min(b_frames, 1)) or (codec == "hevc" and found.reorder <= b_frames)
    # A decoder with nothing but our configuration shows every picture.
    decoder = av.CodecContext.create(codec, "r")
    decoder.extradata = found.config
    frames = []
    for packet in packets:
        sample = h26x.to_length_prefixed(bytearray(bytes(packet)))
        frames += decoder.decode(av.Packet(bytes(sample)))
    frames += decoder.decode(None)
    assert [(f.width, f.height) for f in frames] == [size] * 6


def test_sets_that_are_missing_or_damaged(film, film_hevc) -> None:
    for made in (film, film_hevc):
        torn = [s[:4] for s in made.sets]
        for sets in ([], made.sets[:1], made.sets[-1:], torn, [b"\x67" * 30, b"\x68"]):
            with pytest.raises(ApplianceError) as caught:
                h26x.parse(made.codec, sets)
            assert caught.value.kind == "invalid"
            assert caught.value.hint


@given(st.data())
def test_strangers_bytes_end_in_a_clear_error(data) -> None:
    """A damaged set is refused or read; nothing else is raised and nothing hangs."""
    codec = data.draw(st.sampled_from(["h264", "hevc"]))
    heads = [b"\x67", b"\x68"] if codec == "h264" else [b"\x40\x01", b"\x42\x01", b"\x44\x01"]
    sets = [head + data.draw(st.binary(min_size=1, max_size=60)) for head in heads]
    try:
        found = h26x.parse(codec, sets)
    except ApplianceError as error:
        assert error.kind == "invalid"
    else:
        assert 16 <= found.width <= 16384
    extradata = data.draw(st.binary(max_size=60))
    try:
        h26x.from_extradata(codec, b"\x01" + extradata)
    except IndexError:
        pass  # the one that ``Source.parameter_sets`` expects
