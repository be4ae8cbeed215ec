"""Who is who: appearance, classes and the order in which tracks choose."""

import numpy as np
import pytest

from appliance.vision.detectors import Detections


class Coats:
    """Everybody wears a coat of one colour: the score's second decimal tells it."""

    def __init__(self):
        self.of = {}
        self.forgotten = []

    @staticmethod
    def colour(found: Detections, column):
        return round(float(found.scores[column]) * 100) % 10

    def cost(self, numbers, found):
        return np.array(
            [
                [
                    0.0 if self.of[number] == self.colour(found, column) else 0.9
                    for column in range(len(found))
                ]
                for number in numbers
            ]
        )

    def seen(self, number, found, column):
        self.of[number] = self.colour(found, column)

    def forget(self, number):
        self.forgotten.append(number)
        del self.of[number]


def test_appearance_decides_where_boxes_cannot(watching, person):
    """Two in one place look away from each other and come back swapped."""

    def swapped(**options):
        watcher = watching(0.2, **options)
        for _ in range(4):
            watcher.see(person(0.40, score=0.81), person(0.44, score=0.82))
        watcher.see(person(0.40, score=0.82), person(0.44, score=0.81))
        return {p.track_id: p.bbox.x for p in watcher.points}

    by_boxes, by_coats = swapped(), swapped(appearance=Coats())
    assert by_boxes.keys() == by_coats.keys() == {"t1", "t2"}
    assert by_boxes["t1"] == pytest.approx(by_coats["t2"]) and by_boxes["t2"] == pytest.approx(by_coats["t1"])


def test_appearance_is_told_who_has_ended(watching, person):
    coats = Coats()
    watcher = watching(0.2, appearance=coats)
    watcher.see(person(0.3), person(0.6, score=0.5))
    watcher.tracker.finish()
    assert len(coats.forgotten) == 2 and not coats.of


def test_the_confirmed_choose_before_who_began_a_moment_ago(watching, person):
    watcher = watching(0.2)
    for _ in range(3):
        watcher.see(person(0.30))
    watcher.see(person(0.30), person(0.36, score=0.5))
    (point,) = watcher.see(person(0.34, score=0.6))
    assert (point.track_id, point.bbox.x) == ("t1", pytest.approx(0.34))


def test_a_fresh_track_goes_before_one_that_was_lost(watching, person):
    # The gate of the lost one has grown so wide that its boxes overlap more.
    watcher = watching(0.1)
    for number in range(20):
        watcher.see(*[person(0.30)] * (number < 5), *[person(0.36)] * (number >= 3))
    (point,) = watcher.see(person(0.335))
    assert point.track_id == "t2"


def test_who_starts_to_walk_between_two_rare_looks_is_the_same(watching, person):
    watcher = watching(0.5)
    for x in (0.3, 0.3, 0.3, 0.3, 0.5):
        watcher.see(person(x))
    assert watcher.ids() == {"t1"}


def test_classes_tell_two_apart_who_trade_places(watching, car):
    watcher = watching(0.2)
    for _ in range(4):
        watcher.see(car(0.30, label=1), car(0.36, label=2))
    watcher.see(car(0.34, label=1), car(0.32, label=2))
    assert {(p.track_id, p.class_name) for p in watcher.points} == {("t1", "car"), ("t2", "truck")}
    last = {p.track_id: p.bbox.x for p in watcher.points}
    assert last == {"t1": pytest.approx(0.34), "t2": pytest.approx(0.32)}


def test_a_chair_beside_a_missed_person_is_a_chair(watching):
    watcher = watching(0.2)
    for _ in range(4):
        watcher.see((0.5, 0.3, 0.6, 0.7, 0.8, 0))
    watcher.see((0.53, 0.32, 0.66, 0.7, 0.8, 3))
    assert {(p.track_id, p.class_name) for p in watcher.points} == {("t1", "person"), ("t2", "chair")}


def test_a_part_of_a_car_that_was_called_a_truck_is_no_second_car(watching, car):
    watcher = watching(0.2)
    for _ in range(6):
        watcher.see(car(0.3))
    watcher.see(car(0.3, label=2), (0.3, 0.5, 0.6, 0.6, 0.75, 1))
    assert watcher.ids() == {"t1"}
