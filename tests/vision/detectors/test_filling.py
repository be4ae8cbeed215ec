"""Frames into tensors, against bilinear scaling and colour arithmetic in floating point."""

import av
import msgspec
import numpy as np
import pytest

from appliance.vision.detectors import families
from appliance.vision.detectors.filling import Filler, greys, normalised, place
from appliance.vision.packs import catalogue

YOLOX, DEIM = (
    next(pack for pack in catalogue.KNOWN if pack.name == name) for name in ("yolox-nano", "deimv2-femto")
)


def bilinear(image, wide, high):
    """Pixel centres at halves, edges repeated, no smoothing: what most models were trained with."""
    for axis, size in ((0, high), (1, wide)):
        at = np.clip((np.arange(size) + 0.5) * image.shape[axis] / size - 0.5, 0, image.shape[axis] - 1)
        low = np.floor(at).astype(int)
        part = (at - low).reshape(-1, *([1] * (2 - axis)))
        above = np.minimum(low + 1, image.shape[axis] - 1)
        image = np.take(image, low, axis) * (1 - part) + np.take(image, above, axis) * part
    return image


def widened(image, wide, high):
    """Pillow's bilinear filter: the triangle is as wide as what one pixel of the smaller picture covers."""
    for axis, size in ((0, high), (1, wide)):
        ratio = image.shape[axis] / size
        middles, reach = (np.arange(size) + 0.5) * ratio, max(1.0, ratio)
        apart = np.abs(np.arange(image.shape[axis]) + 0.5 - middles[:, None]) / reach
        weights = np.clip(1 - apart, 0, None)
        weights /= weights.sum(1, keepdims=True)
        image = np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)
    return image


def planes(frame):
    for number, source in enumerate(frame.planes):
        deep = frame.format.components[0].bits > 8
        rows = np.frombuffer(source, np.uint8).reshape(source.height, source.line_size)
        rows = rows.view(np.uint16) / 4 if deep else rows
        if frame.format.name == "nv12" and number == 1:
            yield rows[:, 0 : 2 * source.width : 2].astype(float)
            yield rows[:, 1 : 2 * source.width : 2].astype(float)
        else:
            yield rows[:, : source.width].astype(float)


def colours(frame, red, blue, full):
    """Y'CbCr -> R'G'B' (ITU-T H.273, section 8.3), by the weights of red and blue."""
    y, u, v = planes(frame)
    u, v = (bilinear(part[..., None], frame.width, frame.height)[..., 0] - 128 for part in (u, v))
    if not full:
        y, u, v = (y - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.stack([r, g, b], -1), 0, 255)


def drawn(wide=300, high=200):
    image = np.zeros((high, wide, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, wide)
    image[..., 1] = np.linspace(255, 0, high)[:, None]
    image[high // 4 : high // 2, wide // 3 : wide // 2] = (240, 20, 200)
    return av.VideoFrame.from_ndarray(image, format="rgb24")


def filled(frame, feeding):
    tensor = np.full((1, 3, feeding.height, feeding.width), -1, np.float32)
    return tensor[0], Filler(feeding).fill(frame, tensor, 0)


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p", "nv12", "yuv420p10le"])
@pytest.mark.parametrize(
    ("space", "red", "blue"), [(1, 0.2126, 0.0722), (5, 0.299, 0.114), (2, 0.299, 0.114)]
)
def test_colours_are_what_the_frame_says(name, space, red, blue):
    """Space 1 is BT.709, 5 is BT.601; 2 says nothing, and BT.601 is meant. All formats, both ranges."""
    frame = drawn().reformat(format=name)
    frame.colorspace = space
    full = name == "yuvj420p"
    frame.color_range = 2 if full else 1
    feeding = msgspec.structs.replace(DEIM, input_width=208, input_height=144)
    tensor, _ = filled(frame, greys(feeding, "stretch"))
    wanted = bilinear(colours(frame, red, blue, full), 208, 144)
    assert np.abs(tensor.transpose(1, 2, 0) - wanted).mean() < 1.0
    other = bilinear(colours(frame, 0.2126 + 0.299 - red, 0.0722 + 0.114 - blue, full), 208, 144)
    assert np.abs(tensor.transpose(1, 2, 0) - other).mean() > 2.0  # the wrong matrix would be seen


@pytest.mark.parametrize(("shrinking", "trained"), [("near", bilinear), ("wide", widened)])
def test_footage_is_shrunk_as_in_training(filmed, shrinking, trained):
    """Less than a grey level on average, half as a rule, and nearer than the other way."""
    for picture in filmed[::14]:
        wanted = trained(colours(picture.frame, 0.299, 0.114, False), 416, 416)
        apart = {}
        for way in ("near", "wide"):
            tensor, _ = filled(picture.frame, normalised(DEIM, "stretch", shrinking=way))
            apart[way] = 255 * tensor.transpose(1, 2, 0) - wanted
        assert np.abs(apart[shrinking]).mean() < 1.0 and abs(apart[shrinking].mean()) < 0.1
        assert min(apart, key=lambda way: np.abs(apart[way]).mean()) == shrinking


@pytest.mark.parametrize(("pack", "shrinking"), [(DEIM, "wide"), (YOLOX, "near")])
def test_a_family_is_shrunk_as_in_its_training(pack, shrinking):
    """DEIM's by torchvision from Pillow's pictures, YOLOX's by OpenCV's INTER_LINEAR."""
    assert families.make(pack, 0.1).feeding.shrinking == shrinking


def test_channels_are_ordered_and_normalised():
    image = np.zeros((416, 416, 3), np.uint8)
    image[...] = (255, 128, 0)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    pack = msgspec.structs.replace(DEIM, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125))
    tensor, _ = filled(frame, normalised(pack, "stretch"))
    assert tensor[:, 9, 9] == pytest.approx([1.8, (128 / 255 - 0.2) * 4, -2.4], abs=0.04)
    tensor, _ = filled(frame, greys(YOLOX, "corner"))
    assert tensor[:, 9, 9] == pytest.approx([0, 128, 255], abs=2)  # BGR


@pytest.mark.parametrize("fit", ["corner", "centre"])
def test_the_letterbox(fit):
    frame = drawn(768, 430).reformat(format="yuv420p")
    tensor, placed = filled(frame, greys(YOLOX, fit, 114))
    high = 232 if fit == "corner" else 233  # 232.9, down as YOLOX or to the nearest as Ultralytics
    assert (placed.left, placed.width, placed.height) == (0, 416, high)
    assert placed.top == (0 if fit == "corner" else 91)
    outside = np.ones((416, 416), np.bool_)
    outside[placed.top : placed.top + high] = False
    assert np.all(tensor[:, outside] == 114) and np.ptp(tensor[:, ~outside]) > 200
    whole = np.array([[0, placed.top, 416, placed.top + high]], np.float32)
    assert placed.boxes(whole)[0] == pytest.approx([0, 0, 1, 1])


def test_padding_follows_the_picture():
    """One seat, pictures of two shapes in turn: nothing of the last one may show beside the next."""
    feeding = greys(YOLOX, "centre", 114)
    filler, tensor = Filler(feeding), np.zeros((2, 3, 416, 416), np.float32)
    for wide, high in ((640, 360), (360, 640), (640, 360)):
        placed = filler.fill(drawn(wide, high), tensor, 1)
        inside = np.zeros((416, 416), np.bool_)
        inside[placed.top : placed.top + placed.height, placed.left : placed.left + placed.width] = True
        assert np.all(tensor[1][:, ~inside] == 114)
    assert np.all(tensor[0] == 0)


@pytest.mark.parametrize("wide", [40, 100, 312, 414])
def test_a_picture_of_the_input_s_own_height_is_filled_to_its_last_column(wide):
    """libswscale's short cut for unscaled pictures would leave some columns as memory had them."""
    image = np.zeros((416, wide, 3), np.uint8)
    image[...] = (200, 90, 40)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    tensor, placed = filled(frame, greys(YOLOX, "corner"))
    assert placed.width == wide
    assert np.abs(tensor[:, :, :wide] - np.array([40, 90, 200])[:, None, None]).max() < 5


def test_pictures_of_one_pixel_still_have_one():
    placed = place(greys(YOLOX, "centre"), 8192, 2)
    assert placed.height == 1 and placed.width == 416


def test_half_precision_inputs():
    tensor = np.zeros((1, 3, 416, 416), np.float16)
    Filler(normalised(DEIM, "stretch")).fill(drawn(), tensor, 0)
    full, _ = filled(drawn(), normalised(DEIM, "stretch"))
    assert np.abs(tensor[0] - full).max() < 1e-3
