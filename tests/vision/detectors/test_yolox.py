"""Several pictures' answers, read in one pass, are what each would be alone."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.vision.detectors import Detections
from appliance.vision.detectors.families.yolox import Yolox
from appliance.vision.detectors.filling import place
from appliance.vision.packs import catalogue

PACK = msgspec.structs.replace(
    next(pack for pack in catalogue.KNOWN if pack.name == "yolox-nano"),
    input_width=64,
    input_height=64,
    labels=("person", "car", "dog"),
)
SIZES = ((64, 64), (640, 360), (100, 300))


def answers(seed: int, pictures: int, likely: int) -> np.ndarray:
    """``likely``: cells of each picture that may be something; the rest is nothing."""
    random = np.random.default_rng(seed)
    raw = random.normal(0, 1, (pictures, 84, 8)).astype(np.float32)
    raw[..., 4:] = random.random((pictures, 84, 4))
    for picture in raw:
        picture[random.permutation(84)[likely:], 4] = 0.01
    return raw


def read(family: Yolox, parts: list[np.ndarray], sizes: list[tuple[int, int]]) -> list[Detections]:
    sizes = list(sizes)
    runs = []
    for raw in parts:
        placed = [place(family.feeding, *sizes.pop(0)) for _ in raw]
        runs.append(({"output": raw}, placed))
    found = family.read_all(runs)
    assert [len(answer) for answer in found] == [len(raw) for raw in parts]
    return [one for answer in found for one in answer]


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.sampled_from(SIZES), min_size=1, max_size=4),
    likely=st.integers(0, 40),
    by_run=st.booleans(),
)
def test_read_together_is_read_alone(seed, sizes, likely, by_run):
    family, raw = Yolox(PACK, 0.1), answers(seed, len(sizes), likely)
    family.check({"output": raw[:1]})
    parts = [raw[n : n + 1] for n in range(len(raw))] if by_run else [raw]
    together = read(family, parts, sizes)
    for number, size in enumerate(sizes):
        (alone,) = read(family, [raw[number : number + 1]], [size])
        for column in ("boxes", "scores", "classes"):
            assert getattr(together[number], column).tobytes() == getattr(alone, column).tobytes()
        assert together[number].classes.dtype == np.int32


@pytest.mark.parametrize(("likely", "passes"), [(20, [3]), (60, [1, 1, 1])])
def test_crowds_are_read_one_by_one(monkeypatch, likely, passes):
    """The cost of a pass grows with the square of its boxes."""
    seen = []
    real = Yolox._read
    monkeypatch.setattr(
        Yolox, "_read", lambda self, raws, *rest: seen.append(len(raws)) or real(self, raws, *rest)
    )
    family = Yolox(PACK, 0.1)
    family.check({"output": answers(1, 1, 1)})
    read(family, [answers(1, 3, likely)], [SIZES[0]] * 3)
    assert seen == passes
