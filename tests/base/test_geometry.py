import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.base.geometry import area, inside, is_simple, segments_cross, side

coordinate = st.integers(0, 16).map(lambda n: n / 16)  # sixteenths: exact in floats, so touching is touching
point = st.tuples(coordinate, coordinate)
SQUARE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))


def test_right_hand_is_positive_on_the_screen():
    # looking up the picture (y gets smaller), x grows to the right hand
    assert side((0.5, 1.0), (0.5, 0.0), (0.9, 0.5)) > 0
    assert side((0.5, 1.0), (0.5, 0.0), (0.1, 0.5)) < 0


@given(point, point, point, point)
def test_crossing_does_not_care_for_order_or_direction(a, b, c, d):
    found = segments_cross(a, b, c, d)
    assert found == segments_cross(c, d, a, b) == segments_cross(b, a, c, d) == segments_cross(b, a, d, c)


@given(point, point, point, point)
def test_two_segments_cross_where_their_lines_meet_inside_both(a, b, c, d):
    denominator = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0])
    assume(abs(denominator) > 1e-6)
    t = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / denominator
    u = ((c[0] - a[0]) * (b[1] - a[1]) - (c[1] - a[1]) * (b[0] - a[0])) / denominator
    assume(all(abs(value - edge) > 1e-6 for value in (t, u) for edge in (0, 1)))
    assert segments_cross(a, b, c, d) == (0 < t < 1 and 0 < u < 1)


@given(st.floats(0, 1), st.floats(0, 1))
def test_inside_of_a_square_is_between_its_sides(x, y):
    assume(all(abs(value - edge) > 1e-9 for value in (x, y) for edge in (0.2, 0.8)))
    assert inside(SQUARE, (x, y)) == (0.2 < x < 0.8 and 0.2 < y < 0.8)


@given(st.integers(3, 12), st.integers(0, 11), st.floats(0.0, 0.9))
def test_a_regular_polygon_holds_its_inner_circle_whatever_its_first_corner(corners, turn, radius):
    ring = [
        (0.5 + 0.4 * math.cos(2 * math.pi * k / corners), 0.5 + 0.4 * math.sin(2 * math.pi * k / corners))
        for k in range(corners)
    ]
    ring = ring[turn % corners :] + ring[: turn % corners]
    reach = 0.4 * math.cos(math.pi / corners) * radius
    assert is_simple(ring)
    assert all(inside(ring, (0.5 + reach * math.cos(k), 0.5 + reach * math.sin(k))) for k in range(7))
    assert inside(list(reversed(ring)), (0.5, 0.5))


@pytest.mark.parametrize(
    "polygon",
    [
        SQUARE[:2],
        ((0, 0), (1, 1), (1, 0), (0, 1)),  # a bow tie
        ((0, 0), (1, 0), (1, 1), (0, 0)),  # a corner twice
        ((0, 0), (0.5, 0.5), (1, 1)),  # no area
        ((0, 0), (1, 0), (0.5, 0), (0.5, 1)),  # an edge back over another
    ],
)
def test_what_is_not_simple(polygon):
    assert not is_simple(polygon)


def test_area_of_a_square():
    assert abs(area(SQUARE)) == pytest.approx(0.36)
    assert area(SQUARE) == -area(tuple(reversed(SQUARE)))
