import itertools
import time

import numpy as np
import pytest

from appliance.simulator.scene import Scene


def _draw(scene: Scene, width: int, height: int, time_s: float) -> np.ndarray:
    y = np.zeros((height, width), np.uint8)
    u, v = (np.zeros((height // 2, width // 2), np.uint8) for _ in range(2))
    scene.draw(y, u, v, time_s)
    assert u.min() > 0
    assert v.min() > 0  # drawn everywhere
    return y


@pytest.mark.parametrize("size", [(640, 360), (64, 64), (320, 180), (1280, 720)])
def test_the_same_seed_shows_the_same(size: tuple[int, int]) -> None:
    for time_s in (0.0, 3.5, 8.1, 61.0):
        first = _draw(Scene(*size, 5), *size, time_s)
        assert np.array_equal(first, _draw(Scene(*size, 5), *size, time_s))
        assert not np.array_equal(first, _draw(Scene(*size, 6), *size, time_s))
        assert first.min() >= 16
        assert first.max() <= 235


@pytest.mark.parametrize("seed", range(6))
def test_somebody_crosses_the_middle_soon_and_again(seed: int) -> None:
    """Where the first person is, seen as what differs from the same moment without one."""
    width, height = 640, 360
    scene, empty = Scene(width, height, seed), Scene(width, height, seed)
    empty._walks = empty._walks[:-1]
    crossings, before = [], None
    for step in range(30 * 10):
        time_s = step / 10
        columns = np.flatnonzero(
            (_draw(scene, width, height, time_s) != _draw(empty, width, height, time_s)).any(axis=0)
        )
        middle = columns.mean() / width if columns.size else None
        if before is not None and middle is not None and before < 0.5 <= middle:
            crossings.append(time_s)
        before = middle
    assert crossings[0] <= 4.0
    assert [round(b - a) for a, b in itertools.pairwise(crossings)] == [11, 11]


def test_drawing_is_cheap() -> None:
    scene, (width, height) = Scene(640, 360, 1), (640, 360)
    y = np.zeros((height, width), np.uint8)
    u, v = (np.zeros((height // 2, width // 2), np.uint8) for _ in range(2))
    scene.draw(y, u, v, 0.0)
    begin = time.thread_time()
    for number in range(150):
        scene.draw(y, u, v, number / 15)
    assert (time.thread_time() - begin) / 150 < 0.002  # 0.2 ms on an idle machine
