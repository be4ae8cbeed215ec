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


def wall(random, sigma=2.0):
    """Textured, as walls and grass are; the texture is the same in each picture."""
    texture = np.random.default_rng(5).normal(0, 25, (90, 160))
    return np.kron(110 + texture, np.ones((4, 4))) + random.normal(0, sigma, (360, 640))


def shot(canvas):
    return np.clip(canvas, 0, 255).astype(np.uint8)


@pytest.fixture
def settled(random):
    gate = Gate()
    run(gate, [shot(wall(random)) for _ in range(40)])
    return gate


@pytest.mark.parametrize(("gain", "offset"), [(0.6, 0.0), (1.4, 10.0), (1.0, -30.0), (0.8, 40.0)])
def test_gain_and_offset_of_the_whole_picture_are_no_motion(settled, random, gain, offset):
    motions = run(settled, [shot(wall(random) * gain + offset) for _ in range(10)], 40)
    assert not any(motion.any for motion in motions)


@pytest.mark.parametrize("gain", [0.55, 1.4])
def test_half_a_picture_in_another_light_is_no_motion(settled, random, gain):
    def lit():
        canvas = wall(random)
        canvas[:, :320] *= gain
        return shot(canvas)

    motions = run(settled, [lit() for _ in range(10)], 40)
    assert not any(motion.any for motion in motions)


def test_a_shadow_is_no_motion_and_a_coat_as_dark_is(settled, random):
    def passing(number, solid):
        canvas = wall(random)
        part = canvas[100:250, 100 + 20 * number :][:, :60]
        part[:] = 60 + 0.01 * part if solid else 0.55 * part
        return shot(canvas)

    shadow = run(settled, [passing(n, False) for n in range(10)], 40)
    coat = run(settled, [passing(n, True) for n in range(10)], 60)
    assert sum(motion.mask.sum() for motion in shadow) < 0.1 * sum(motion.mask.sum() for motion in coat)
    assert all(motion.any for motion in coat)


def test_a_blurred_blob_before_a_plain_wall_is_no_motion_and_a_sharp_one_is(random):
    y, x = np.mgrid[:360, :640]

    def insect(number, blurred):
        far = ((x - 60 * number - 40) / 25) ** 2 + ((y - 180) / 20) ** 2
        return shot(random.normal(90, 2, (360, 640)) + 90 * (np.exp(-far) if blurred else far < 1))

    def plain(count):
        return [noise(random, 90, 2, (360, 640)) for _ in range(count)]

    gate = Gate()
    run(gate, plain(40))
    blurred = [run(gate, [insect(n, True), *plain(20)], 40 + 21 * n)[0].any for n in range(8)]
    edged = [run(gate, [insect(n, False), *plain(20)], 300 + 21 * n)[0].any for n in range(8)]
    assert not any(blurred) and all(edged)


def test_infra_red_is_a_new_scene_a_few_times_and_then_quiet(settled, random):
    other = np.kron(np.random.default_rng(8).normal(120, 40, (45, 80)), np.ones((8, 8)))
    steps = [wall(random) * 0.4, other * 1.4, other * 1.1, other, other, other]
    motions = run(settled, [shot(step + random.normal(0, 2, step.shape)) for step in steps * 1], 40)
    after = run(settled, [shot(other + random.normal(0, 2, other.shape)) for _ in range(30)], 46)
    assert {motion.why for motion in motions if motion.any} == {"scene"}
    assert not any(motion.any for motion in after)
    person = other + random.normal(0, 2, other.shape)
    person[100:220, 300:345] = 20
    (seen,) = run(settled, [shot(person)], 76)
    assert seen.any and not seen.new_scene


def test_a_place_that_flickers_is_learnt_within_a_minute_and_a_person_before_it_seen(random):
    """A branch that swings over a plain wall, here or there or gone."""
    gate = Gate()

    def branch(number):
        canvas = random.normal(110, 2, (360, 640))
        where = (400, 450, None)[random.integers(3)]
        if where is not None:
            canvas[80:160, where : where + 40] = 70
        return canvas

    motions = run(gate, [shot(branch(number)) for number in range(300)])
    assert sum(motion.any for motion in motions[:50]) > 10
    assert sum(motion.any for motion in motions[250:]) <= 5
    with_person = branch(300)
    with_person[90:200, 440:480] = 230
    (seen,) = run(gate, [shot(with_person)], 300)
    assert seen.any


def test_a_shaking_camera_is_learnt(random):
    gate = Gate()
    still = wall(random, 0)
    pictures = [
        shot(np.roll(still, random.integers(-1, 2, 2), (0, 1)) + random.normal(0, 2, (360, 640)))
        for _ in range(150)
    ]
    motions = run(gate, pictures)
    assert sum(motion.any for motion in motions[75:]) <= 4


def test_what_was_put_down_is_told_from_what_stirs(settled, random):
    def box():
        canvas = wall(random)
        canvas[100:200, 100:200] = 230
        return shot(canvas)

    motions = run(settled, [box() for _ in range(20)], 40)
    assert not motions[1].still.any() and motions[15].still.any()
    assert not (motions[15].still & ~motions[15].mask).any()


def test_masks_given_away_stay_as_they_are(settled, random):
    canvas = wall(random)
    canvas[100:200, 100:200] = 230
    (first,) = run(settled, [shot(canvas)], 40)
    mask, fresh = first.mask.copy(), first.fresh.copy()
    run(settled, [shot(wall(random)) for _ in range(3)], 41)
    assert np.array_equal(first.mask, mask) and np.array_equal(first.fresh, fresh)


def test_the_edge_of_a_coat_that_moves_speaks_for_the_cells_beside_it(settled, random):
    """The coat is all one grey: between two pictures only its edges change."""
    for number in range(6):
        canvas = wall(random)
        canvas[96:192, 96 + 8 * number :][:, :96] = 230
        (motion,) = run(settled, [shot(canvas)], 40 + number)
    coat = motion.fresh[12:24, 17:29]
    assert coat[:, -2:].all() and not coat[:, 3:-3].any()
