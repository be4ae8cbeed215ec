"""The motion gate on synthetic pictures: quiet on noise, awake on things."""

import numpy as np
import pytest

from appliance.vision.looking.gate import Gate

STEP_NS = 200_000_000


def noise(random, level=90, sigma=6.0, shape=(432, 768)):
    return np.clip(random.normal(level, sigma, shape), 0, 255).astype(np.uint8)


def run(gate, pictures, start=0):
    return [gate.look(picture, (start + n) * STEP_NS) for n, picture in enumerate(pictures)]


@pytest.fixture
def random():
    return np.random.default_rng(7)


def test_sensor_noise_is_no_motion(random):
    motions = run(Gate(), [noise(random) for _ in range(60)])
    assert motions[0].new_scene
    assert sum(m.any for m in motions[1:]) == 0


def test_a_thing_the_size_of_a_distant_person_is_seen(random):
    gate = Gate()
    run(gate, [noise(random) for _ in range(20)])
    for number in range(5):
        picture = noise(random)
        left = 300 + 12 * number
        picture[200:260, left : left + 24] = 140
        (motion,) = run(gate, [picture], 20 + number)
        assert motion.any and not motion.new_scene
        assert motion.share(left / 768, 200 / 432, (left + 24) / 768, 260 / 432) > 0.1
        assert motion.share(0.8, 0.0, 1.0, 0.3) == 0.0


def test_exposure_is_no_motion_and_a_new_scene_is_one_look(random):
    gate = Gate()
    run(gate, [noise(random) for _ in range(20)])
    (brighter,) = run(gate, [noise(random, level=120)], 20)
    assert not brighter.any
    other = np.tile(np.linspace(0, 255, 768), (432, 1)).astype(np.uint8)
    first, second = run(gate, [other, other], 21)
    assert first.new_scene
    assert not second.any


def test_what_is_put_down_becomes_background(random):
    gate = Gate()
    run(gate, [noise(random) for _ in range(10)])

    def with_box():
        picture = noise(random)
        picture[100:200, 100:200] = 200
        return picture

    motions = run(gate, [with_box() for _ in range(150)], 10)
    assert motions[0].any
    assert not any(m.any for m in motions[5:])  # it stands still: nothing fresh
    assert motions[5].mask.any()  # but it is known to be there
    assert not motions[-1].mask.any()


def test_another_size_starts_again(random):
    gate = Gate()
    run(gate, [noise(random) for _ in range(5)])
    (motion,) = run(gate, [noise(random, shape=(240, 320))], 5)
    assert motion.new_scene
