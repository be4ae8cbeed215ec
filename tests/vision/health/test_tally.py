import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS
from appliance.store.model_health import ClassSums, HealthKey
from appliance.vision.health.tally import HOUR_NS, MINUTE_NS, Tally, merged
from appliance.vision.state import VisionBeat, VisionFigures

START_NS = 480_000 * HOUR_NS
WHERE = {"gate": "sub 0.40"}


def beat(seen=None, looks_per_s=4.0, inference_ms=10.0, camera="gate"):
    figures = VisionFigures(5.0, looks_per_s=looks_per_s, inference_ms=inference_ms)
    return VisionBeat({camera: figures}, (), {}, {camera: seen or {}})


def test_a_minute_is_one_sample_however_many_boxes_it_has():
    tally = Tally()
    for n in range(120):
        tally.beat(beat({"person": (2, 1.5)}), START_NS + n * SECOND_NS // 2, "femto", WHERE)
    assert tally.take(START_NS + 59 * SECOND_NS) == []
    (row,) = tally.take(START_NS + MINUTE_NS)
    assert row.key == HealthKey("gate", START_NS, "femto", "sub 0.40")
    assert row.classes == {"person": ClassSums(240, 180.0, 1, 0.75, 0.5625)}
    assert row.looks == pytest.approx(4.0 * 59.5) and row.inference_ms_sum == pytest.approx(40.0 * 59.5)
    assert tally.take(START_NS + MINUTE_NS) == []


def test_another_model_or_confidence_is_another_row():
    tally = Tally()
    for n, (model, conditions) in enumerate([("femto", "a"), ("nano", "a"), ("nano", "b")]):
        tally.beat(beat({"person": (1, 0.5)}), START_NS + n * SECOND_NS, model, {"gate": conditions})
    keys = [(row.key.model, row.key.conditions) for row in tally.finish()]
    assert keys == [("femto", "a"), ("nano", "a"), ("nano", "b")]


def test_silence_and_cameras_that_are_not_analysed_count_for_nothing():
    tally = Tally()
    tally.beat(beat(), START_NS, "femto", WHERE)
    tally.beat(beat(), START_NS + 50 * SECOND_NS, "femto", WHERE)  # the worker was away
    tally.beat(beat({"person": (5, 4.0)}, camera="yard"), START_NS + 50 * SECOND_NS, "femto", WHERE)
    assert tally.finish() == []


def test_what_could_not_be_stored_is_stored_later_and_once():
    tally = Tally()
    tally.beat(beat({"person": (1, 0.5)}), START_NS, "femto", WHERE)
    rows = tally.take(START_NS + MINUTE_NS)
    tally.give_back(rows)
    tally.beat(beat({"person": (1, 0.7)}), START_NS + MINUTE_NS, "femto", WHERE)
    (row,) = tally.take(START_NS + 2 * MINUTE_NS)
    assert row.classes["person"].boxes == 2 and row.classes["person"].minutes == 2
    assert row.classes["person"].minute_sum == pytest.approx(1.2)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 5), st.floats(0, 1)), max_size=40))
def test_no_box_is_lost_and_none_is_counted_twice(happened):
    tally, taken = Tally(), []
    for second, boxes, score in sorted(happened):
        tally.beat(beat({"person": (boxes, boxes * score)}), START_NS + second * SECOND_NS, "femto", WHERE)
        taken += tally.take(START_NS + second * SECOND_NS)
    taken += tally.finish()
    total = ClassSums()
    for row in taken:
        total += row.classes.get("person", ClassSums())
    assert total.boxes == sum(boxes for _, boxes, _ in happened)
    assert total.score_sum == pytest.approx(sum(boxes * score for _, boxes, score in happened))
    assert total.minutes == len({second // 60 for second, boxes, _ in happened if boxes})


def test_merging_keeps_the_slowest():
    tally = Tally()
    tally.beat(beat({"person": (1, 0.5)}, inference_ms=30.0), START_NS, "femto", WHERE)
    (one,) = tally.finish()
    tally.beat(beat({"car": (1, 0.9)}, inference_ms=20.0), START_NS + SECOND_NS, "femto", WHERE)
    (other,) = tally.finish()
    both = merged(one, other)
    assert both.inference_ms_max == 30.0 and set(both.classes) == {"person", "car"}
