"""Plane geometry in picture coordinates: x to the right, y down, 0..1."""

from collections.abc import Sequence

Point = tuple[float, float]


def side(a: Point, b: Point, p: Point) -> float:
    """> 0 where ``p`` lies to the right of a->b as seen on the screen (y points down)."""
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def segments_cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """True where the segments a-b and c-d share a point, touching included."""
    d1, d2 = side(c, d, a), side(c, d, b)
    d3, d4 = side(a, b, c), side(a, b, d)
    if ((d1 > 0 > d2) or (d1 < 0 < d2)) and ((d3 > 0 > d4) or (d3 < 0 < d4)):
        return True
    return (
        (d1 == 0 and _within(c, d, a))
        or (d2 == 0 and _within(c, d, b))
        or (d3 == 0 and _within(a, b, c))
        or (d4 == 0 and _within(a, b, d))
    )


def _within(a: Point, b: Point, p: Point) -> bool:
    return min(a[0], b[0]) <= p[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])


def inside(polygon: Sequence[Point], p: Point) -> bool:
    """Even-odd rule (W. R. Franklin, PNPOLY). Points on a left or top edge count as inside."""
    x, y = p
    result = False
    j = len(polygon) - 1
    for i, (xi, yi) in enumerate(polygon):
        xj, yj = polygon[j]
        if (yi > y) != (yj > y) and x < (xj - xi) * (y - yi) / (yj - yi) + xi:
            result = not result
        j = i
    return result


def area(polygon: Sequence[Point]) -> float:
    """Signed area by the shoelace formula; the sign tells the winding."""
    return 0.5 * sum(
        x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    )


def is_simple(polygon: Sequence[Point]) -> bool:
    """True where no two edges touch except neighbours in their common corner."""
    n = len(polygon)
    if n < 3 or len(set(polygon)) != n or abs(area(polygon)) < 1e-9:
        return False
    edges = [(polygon[i], polygon[(i + 1) % n]) for i in range(n)]
    for i in range(n):
        for j in range(i + 1, n):
            if j == i + 1 or (i == 0 and j == n - 1):
                continue
            if segments_cross(*edges[i], *edges[j]):
                return False
    return True
