"""The small view against the plain mean of the bytes it says it reads."""

import numpy as np
import pytest

from appliance.vision.looking.view import View, texture

SHAPES = [(360, 640), (180, 320), (1080, 1920), (2160, 3840), (576, 704), (720, 1280), (181, 323), (40, 50)]


@pytest.fixture
def random():
    return np.random.default_rng(3)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1), (3, 900), (900, 3)])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_level_stays_a_level(shape, level):
    view = View(*shape)
    view.look(np.full(shape, level, np.uint8))
    assert np.all(view.cells == level) and not view.halves(slice(0, len(view.cells))).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_cells_cover_the_picture_and_are_square(shape):
    view = View(*shape)
    rows, columns = view.cells.shape
    assert columns <= 96
    assert view.across > 1 - 1 / columns and view.down > 1 - 1 / rows
    assert view.across * shape[1] / columns == pytest.approx(view.side)
    assert view.down * shape[0] / rows == pytest.approx(view.side)


def test_cells_and_halves_are_the_means_of_every_second_sample(random):
    luma = random.integers(0, 256, (360, 640), np.uint8)
    view = View(360, 640)
    view.look(luma)
    read = luma[1::2, ::2].astype(np.float64).reshape(45, 2, 2, 80, 2, 2)
    quadrants = read.mean(axis=(2, 5))  # rows, lower or upper, columns, left or right
    assert np.allclose(view.cells, quadrants.mean(axis=(1, 3)), atol=1e-4)
    across, down = view.halves(slice(0, 45))
    assert np.allclose(across, np.diff(quadrants.sum(axis=1), axis=2)[..., 0], atol=1e-4)
    assert np.allclose(down, np.diff(quadrants.sum(axis=3), axis=1)[:, 0], atol=1e-4)
    assert np.array_equal(view.halves(slice(7, 20)), np.stack((across, down))[:, 7:20])


@pytest.mark.parametrize("shape", [(40, 50), (360, 640), (720, 1280), (1080, 1920)])
@pytest.mark.parametrize("axis", [0, 1])
def test_halves_reach_from_black_to_white_and_back(shape, axis):
    """With cells of one unit, of 4 or of 8 bytes, and of several."""
    view = View(*shape)
    at = np.indices(shape)[1 - axis] % view.side >= view.side // 2
    for luma, found in ((at, 510.0), (~at, -510.0)):
        view.look(np.where(luma, 255, 0).astype(np.uint8))
        halves = view.halves(slice(0, len(view.cells)))
        assert np.all(halves[axis] == found) and not halves[1 - axis].any()


def test_the_look_before_is_kept(random):
    view = View(360, 640)
    first, second = (random.integers(0, 256, (360, 640), np.uint8) for _ in range(2))
    cells = view.look(first).copy()
    view.look(second)
    assert np.array_equal(view.before, cells) and not np.array_equal(view.cells, cells)


@pytest.mark.parametrize("shape", SHAPES)
def test_cells_are_near_the_true_means(shape, random):
    """A picture as smooth as a cell: what is not read is as what is."""
    view = View(*shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    luma = (128 + 60 * np.sin(x / view.side / 3) + 60 * np.cos(y / view.side / 3)).astype(np.uint8)
    rows, columns = view.cells.shape
    whole = luma[: rows * view.side, : columns * view.side].astype(np.float64)
    means = whole.reshape(rows, view.side, columns, view.side).mean(axis=(1, 3))
    view.look(luma)
    assert np.abs(view.cells - means).max() < 5


def test_a_padded_plane_and_a_turned_one_are_read_alike(random):
    padded = random.integers(0, 256, (360, 672), np.uint8)
    one, other = View(360, 640), View(360, 640)
    one.look(padded[:, :640])
    other.look(np.asfortranarray(padded[:, :640]))
    assert np.array_equal(one.cells, other.cells)


def test_texture_is_halves_on_a_level():
    luma = np.zeros((360, 640), np.uint8)
    luma[:, 4::8] = luma[:, 5::8] = luma[:, 6::8] = luma[:, 7::8] = 100  # right halves of all cells
    view = View(360, 640)
    view.look(luma)
    across, down = texture(view, slice(0, 45))
    assert np.all(across == 200) and np.all(down == 0)


def test_a_slope_is_no_texture():
    luma = np.add.outer(np.arange(360) * 0.25, np.arange(640) * 0.25).astype(np.uint8)
    view = View(360, 640)
    view.look(luma)
    across, down = texture(view, slice(10, 30))
    assert np.abs(across[:, 1:-1]).max() < 1 and np.abs(down[1:-1]).max() < 1
    assert np.all(across[:, [0, -1]] > 1)  # nothing beside them to tell it by
