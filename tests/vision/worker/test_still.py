"""Stills: the box is drawn where it belongs, and the past is decoded in a child."""

import io
from types import SimpleNamespace

import av
import numpy as np
import pytest

from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.base.model import Box
from appliance.vision.host.host import VisionHost
from appliance.vision.worker.still import encode


def pixels(jpeg):
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)


def yellow(pixel):
    red, green, blue = pixel
    return red > 180 and green > 150 and blue < 120


@pytest.mark.parametrize("size", [(320, 180), (321, 181), (64, 48), (1920, 1080)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv420p10le"])
def test_a_box_is_drawn_on_a_copy(size, pix_fmt):
    image = np.full((size[1], size[0], 3), 60, np.uint8)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
    before = bytes(frame.planes[0])
    shown = pixels(encode(frame, Box(0.25, 0.25, 0.5, 0.5)))
    assert bytes(frame.planes[0]) == before
    assert shown.shape == (size[1], size[0], 3)
    high, wide = shown.shape[:2]
    assert any(yellow(shown[high // 4 + n, wide // 2]) for n in (-1, 0, 1))
    assert any(yellow(shown[high // 2, wide // 4 + n]) for n in (-1, 0, 1))
    assert any(yellow(shown[high * 3 // 4 + n, wide // 2]) for n in (-2, -1, 0))
    assert not yellow(shown[high // 2, wide // 2])
    assert not yellow(shown[2, 2])


@pytest.mark.parametrize(
    "box", [Box(-0.2, -0.2, 2.0, 2.0), Box(0.5, 0.5, 0.0, 0.0), Box(0.99, 0.99, 0.2, 0.2)]
)
def test_boxes_at_the_edge_do_no_harm(box):
    frame = av.VideoFrame.from_ndarray(np.zeros((90, 160, 3), np.uint8), format="rgb24")
    assert encode(frame, box).startswith(b"\xff\xd8")


@pytest.fixture
def gop(scene):
    with av.open(str(scene(4.0, 4.0))) as container:
        stream = container.streams.video[0]
        config = bytes(stream.codec_context.extradata)
        samples = [
            (bytes(p), round(p.pts * p.time_base * 90_000), round(p.pts * p.time_base * 1e9))
            for p in container.demux(stream)
            if p.pts is not None
        ]
    return config, samples


async def test_a_still_of_the_past_is_the_last_frame(gop, tmp_path):
    config, samples = gop
    host = VisionHost(ManualClock(), tmp_path)
    early = await host.still_from(SimpleNamespace(codec="h264", codec_config=config, samples=samples[:3]))
    late = await host.still_from(
        SimpleNamespace(codec="h264", codec_config=config, samples=samples[:21]), None
    )
    # The square walks 6 pixels a frame: its left edge says which frame it is.
    for jpeg, number in ((early, 2), (late, 20)):
        bright = np.flatnonzero(pixels(jpeg)[90, :, 0] > 160)
        assert bright[0] == pytest.approx(number * 6, abs=2)


async def test_nonsense_is_not_found_and_harms_nobody(tmp_path):
    host = VisionHost(ManualClock(), tmp_path)
    source = SimpleNamespace(codec="h264", codec_config=b"\x01nonsense", samples=[(bytes(range(256)), 0, 0)])
    with pytest.raises(ApplianceError) as caught:
        await host.still_from(source)
    assert caught.value.kind == "not_found"
