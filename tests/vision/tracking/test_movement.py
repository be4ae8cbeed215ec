"""Prediction and costs against the textbook, in its own plain words."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.vision.boxes import iou
from appliance.vision.tracking import costs, movement
from appliance.vision.tracking.table import TRACK

FAST = settings(max_examples=60, deadline=None)
steps = st.lists(st.floats(0.02, 0.29), min_size=1, max_size=12)
coordinates = st.floats(0.0, 1.0)


def begun(at):
    rows = np.zeros(len(at), TRACK)
    movement.start(rows, np.array(at, np.float64))
    return rows


def seen(rows, at, away_s):
    at = np.array(at, np.float64)
    movement.correct(rows, at, np.full(len(rows), away_s))
    rows["box"][:, 0], rows["box"][:, 2] = at[:, 0] - at[:, 2] / 2, at[:, 0] + at[:, 2] / 2
    rows["box"][:, 1], rows["box"][:, 3] = at[:, 1] - at[:, 3], at[:, 1]


@FAST
@given(steps, st.data())
def test_it_is_the_kalman_filter_of_the_textbook(steps_s, data):
    """F, Q, H, R in matrices, one axis, against variances in columns."""
    at = [[data.draw(coordinates), 0.5, 0.1, 0.4]]
    rows = begun(at)
    state = np.array([at[0][0], 0.0])
    spread = np.diag([movement.NOISE, movement.SPEED_UNKNOWN])
    for t in steps_s:
        at[0][0] = data.draw(coordinates)
        forward = np.array([[1, t], [0, 1]])
        push = movement.PUSH * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]])
        state, spread = forward @ state, forward @ spread @ forward.T + push
        gain = spread[:, 0] / (spread[0, 0] + movement.NOISE)
        state = state + gain * (at[0][0] - state[0])
        spread = spread - np.outer(gain, spread[0])
        seen(rows, at, t)
        assert (rows["place"][0, 0], rows["speed"][0, 0]) == pytest.approx(tuple(state), abs=1e-9)
        assert rows["spread"][0, :3] == pytest.approx([spread[0, 0], spread[0, 1], spread[1, 1]], abs=1e-9)


@FAST
@given(st.floats(0.35, 5.0), coordinates, coordinates)
def test_after_a_gap_speed_is_what_leads_from_there_to_here(away_s, x, bottom):
    rows = begun([[0.5, 0.5, 0.1, 0.4]])
    for number in range(4):
        seen(rows, [[0.5 + 0.02 * number, 0.5, 0.1, 0.4]], 0.1)
    seen(rows, [[x, bottom, 0.12, 0.4]], away_s)
    assert rows["place"][0] == pytest.approx([x, bottom, 0.12, 0.4])
    assert rows["speed"][0] == pytest.approx([(x - 0.56) / away_s, (bottom - 0.5) / away_s], abs=1e-9)


def test_prediction_goes_on_and_then_waits():
    rows = begun([[0.2, 0.5, 0.1, 0.4]])
    rows["speed"] = 0.1, 0.0
    for away_s, x in ((0.0, 0.2), (1.0, 0.3), (movement.COAST_S, 0.4), (movement.COAST_S + 1, 0.4)):
        assert movement.predicted(rows, np.array([away_s]))[0] == pytest.approx([x, 0.5, 0.1, 0.4])


boxes = st.lists(
    st.tuples(st.floats(0, 0.7), st.floats(0, 0.7), st.floats(0.02, 0.3), st.floats(0.02, 0.3)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    min_size=1,
    max_size=5,
)


@FAST
@given(boxes, boxes, st.floats(0.0, 3.0), st.floats(0.0, 2.5))
def test_a_match_costs_what_grown_boxes_do_not_share(a, b, away_s, unseen_s):
    one, other = np.array(a), np.array(b)
    away, unseen = np.full(len(a), away_s), np.full(len(a), unseen_s)
    grow = min(costs.BUFFER_MOST, costs.BUFFER + costs.BUFFER_PER_S * away_s)

    def grown(table):
        sides = (table[:, 2:] - table[:, :2]) * grow
        return np.concatenate([table[:, :2] - sides, table[:, 2:] + sides], axis=1)

    expected = 1 - iou(grown(one), grown(other)) + costs.LOST * unseen_s
    for row, (_, top, _, bottom) in enumerate(a):
        for column, (_, its_top, _, its_bottom) in enumerate(b):
            expected[row, column] += costs.HEIGHT * abs(math.log((bottom - top) / (its_bottom - its_top)))
    found = costs.buffered(movement.places(one), movement.places(other), away, unseen)
    assert found == pytest.approx(expected, abs=1e-9)


def test_gates_widen_with_the_time_between_looks():
    """Half its width aside is far after a tenth of a second, and near after one."""
    here, there = np.array([[0.5, 0.5, 0.1, 0.4]]), np.array([[0.58, 0.5, 0.1, 0.4]])
    cost = [
        float(costs.buffered(here, there, np.array([s]), np.zeros(1))[0, 0]) for s in (0.1, 0.3, 0.6, 1.0)
    ]
    assert cost == sorted(cost, reverse=True) and cost[0] > cost[-1] + 0.2
    assert costs.buffered(here, there, np.ones(1), np.zeros(1), wide=True)[0, 0] < cost[-1]
