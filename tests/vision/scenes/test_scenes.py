"""Scenes with truth, through the real gate and tracker: what is found, and what is made up.

The figures are floors with a little room below what was measured (the README's table is made by
``tests/bench/bench_gate.py``). Each rule of the gate holds up one of them, or a test of its own in
``looking/test_gate.py``: without it that fails.
"""

from dataclasses import dataclass
from statistics import mean

import pytest
from drawn.play import Played, play
from drawn.scenes import scenes
from drawn.score import Score, score
from drawn.sight import Sight

SEEDS = (0, 10, 11, 12, 13, 14)  # of these, 10 to 14 were held out while the gate was made
WORSE = 0.2  # ... and no single one may be worse than the floor of all by so much

PIECES = 2.7  # tracks of one object, where only motion says what belongs together


@dataclass(frozen=True)
class Floor:
    """Of all objects, ``found``; of all tracks, ``precision`` are one of them. ``awake``: share of the
    pictures without anybody moving that the gate may ask to be looked at. Means over ``SEEDS``."""

    precision: float
    found: float
    awake: float = 0.03


MOTION = {
    "calm": Floor(0.97, 1.0),
    "parked cars": Floor(0.97, 1.0),
    "statue": Floor(0.97, 1.0),
    "waving tree": Floor(0.93, 1.0),
    "rain": Floor(0.95, 0.8, awake=0.65),
    "insects": Floor(0.85, 0.95, awake=0.07),
    "cloud": Floor(0.95, 0.95),
    "long shadow": Floor(0.73, 0.95, awake=0.035),
    "infra-red": Floor(0.93, 1.0),
    "headlights": Floor(0.95, 0.8),
    "blinking sign": Floor(0.85, 1.0, awake=0.07),
    "night noise": Floor(0.95, 0.8),
    "shaking camera": Floor(0.87, 0.8, awake=0.15),
}
# The simulated model sees all; what it makes up is in ``scenes`` (lures) and said there.
MODEL = dict.fromkeys(MOTION, 0.97) | {"headlights": 0.85}
MODEL_FOUND = 0.97


def check(name: str, counted: list[Score], played: list[Played], floor: Floor) -> None:
    precisions, recalls = [one.precision for one in counted], [one.recall for one in counted]
    awake = [sum(one.calm) / len(one.calm) for one in played]
    assert mean(precisions) >= floor.precision and min(precisions) >= floor.precision - WORSE, (name, counted)
    assert mean(recalls) >= floor.found and min(recalls) >= floor.found - WORSE, (name, counted)
    assert mean(one.ids / max(1, one.found) for one in counted) <= PIECES, (name, counted)
    assert mean(awake) <= floor.awake, (name, awake)


@pytest.mark.parametrize("name", ["rain", "infra-red"])
def test_a_motion_detector_alone_quickly(name: str) -> None:
    played = play(scenes()[name])
    check(name, [score(played, moving_only=True)], [played], MOTION[name])


def test_what_stood_before_infra_red_is_the_same_after_it() -> None:
    played = play(scenes()["infra-red"], Sight())
    counted = score(played, moving_only=False)
    assert counted.recall == 1.0 and counted.ids == counted.objects, counted


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(MOTION))
def test_a_motion_detector_alone(name: str) -> None:
    played = [play(scenes()[name], seed=seed) for seed in SEEDS]
    check(name, [score(one, moving_only=True) for one in played], played, MOTION[name])


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(MODEL))
def test_a_model_that_errs(name: str) -> None:
    counted = [score(play(scenes()[name], Sight(seed), seed=seed), moving_only=False) for seed in SEEDS]
    assert mean(one.precision for one in counted) >= MODEL[name], (name, counted)
    assert mean(one.recall for one in counted) >= MODEL_FOUND, (name, counted)
    assert all(one.ids <= one.objects + 2 for one in counted), (name, counted)


def test_every_scene_has_its_floor() -> None:
    assert set(MOTION) == set(MODEL) == set(scenes())
