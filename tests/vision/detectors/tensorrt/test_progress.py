"""Phases within phases become one share that only grows."""

import pytest

from appliance.vision.detectors.tensorrt.progress import CalledOff, Phases


def test_a_phase_inside_is_a_part_of_the_step_outside():
    told = []
    phases = Phases(told.append)
    phases.start("all", None, 4)
    phases.step("all", 0)
    phases.start("tactics", "all", 2)
    phases.step("tactics", 0)
    phases.start("one", "tactics", 5)
    phases.step("one", 4)
    phases.finish("one")
    phases.step("tactics", 1)
    phases.finish("tactics")
    phases.step("all", 1)
    phases.step("all", 3)
    assert told == pytest.approx([0.25, 0.375, 0.5, 0.5, 0.5, 1.0])


def test_it_never_falls_and_never_passes_one():
    told = []
    phases = Phases(told.append)
    phases.start("all", None, 2)
    for again in range(3):  # TensorRT begins phases of one name again and again
        phases.start("part", "all", 3)
        for number in range(5):
            phases.step("part", number)
        phases.finish("part")
        phases.step("all", again)
    phases.start("another tree", None, 10)
    phases.step("another tree", 0)  # a tenth of it, when the first was done already
    phases.step("stranger", 1)
    assert told == sorted(told) and told[-1] == 1.0


def test_what_is_raised_is_kept_and_stops_it():
    calls = []

    def tell(share):
        calls.append(share)
        raise CalledOff

    phases = Phases(tell)
    phases.start("all", None, 10)
    assert phases.step("all", 0) is False
    assert phases.step("all", 1) is False
    assert isinstance(phases.off, CalledOff) and len(calls) == 1
