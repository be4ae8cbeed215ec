"""Cells and those around them, against the same said slowly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from appliance.vision.looking.around import band, count_around, grow, laid, middle, peaks, steps, sums_around

shapes = st.tuples(st.integers(1, 8), st.integers(1, 8))
masks = arrays(np.bool_, shapes)
grids = arrays(np.float32, shapes, elements=st.integers(-100, 100))


def around(cells, reach):
    """Each cell's neighbourhood, with zeros beyond the border: rows x columns x side x side."""
    padded = np.pad(cells, reach)
    return np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))


@given(masks)
def test_counts_are_of_3x3(cells):
    assert np.array_equal(count_around(cells), around(cells, 1).sum(axis=(2, 3)))


@given(grids)
def test_peaks_are_of_5x5(cells):
    assert np.array_equal(peaks(cells), np.abs(around(cells, 2)).max(axis=(2, 3)))


@given(grids)
def test_sums_weigh_what_is_near(cells):
    flat, (first, second) = laid(cells, 2, 2)
    first[:], second[:] = cells, -cells
    weights = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1])
    expected = (around(cells, 2) * weights).sum(axis=(2, 3))
    rows, columns = cells.shape
    found = sums_around(flat, columns + 2).reshape(2, rows, columns + 2)[:, :, :columns]
    assert np.array_equal(found, [expected, -expected])


@given(grids)
def test_steps_are_to_four_neighbours(cells):
    expected = np.zeros(cells.shape)
    for row, column in np.ndindex(cells.shape):
        for down, aside in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            if 0 <= row + down < cells.shape[0] and 0 <= column + aside < cells.shape[1]:
                step = abs(cells[row, column] - cells[row + down, column + aside])
                expected[row, column] = max(expected[row, column], step)
    assert np.array_equal(steps(cells), expected)


@given(masks, st.integers(0, 4), st.randoms(use_true_random=False))
def test_growing_stays_inside_and_goes_so_far(inside, most, random):
    seeds = inside & np.array([random.random() < 0.3 for _ in range(inside.size)]).reshape(inside.shape)
    expected = seeds
    for _ in range(most):
        expected = inside & (around(expected, 1).any(axis=(2, 3)))
    assert np.array_equal(grow(seeds, inside, most), expected)


@given(masks.filter(np.any), st.integers(0, 3))
def test_a_band_is_the_rows_that_matter(cells, margin):
    rows = np.flatnonzero(cells.any(axis=1))
    found = band(cells, margin)
    assert found == slice(max(0, rows[0] - margin), min(len(cells), rows[-1] + 1 + margin))


@given(grids)
def test_the_middle_is_the_upper_median_and_nothing_is_moved(cells):
    before = cells.copy()
    assert middle(cells) == np.sort(cells, axis=None)[cells.size // 2]
    assert middle(cells[::2, ::2]) == np.sort(cells[::2, ::2], axis=None)[cells[::2, ::2].size // 2]
    assert np.array_equal(cells, before)
