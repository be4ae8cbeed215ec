"""Who goes with whom: pairs of rows and columns that together cost least."""

from collections.abc import Iterable

import numpy as np

from appliance.vision.boxes import Matrix

FORBIDDEN = 1e6
Candidate = tuple[int, int, float]  # row, column, cost


def assign(cost: Matrix, limit: float) -> list[tuple[int, int]]:
    """Pairs (row, column), one to one, that together save the most against ``limit`` each.

    A pair that would cost ``limit`` or more is worse than none. That is: leaving a row and a column
    without a partner costs as much as a pair at the limit, so nobody is made to take a bad partner
    for the sake of somebody else's (which is how tracks trade their identities).
    """
    rows, columns = np.nonzero(cost < limit)
    return cheapest(zip(rows.tolist(), columns.tolist(), cost[rows, columns].tolist(), strict=True), limit)


def cheapest(candidates: Iterable[Candidate], limit: float) -> list[tuple[int, int]]:
    """``assign`` for those who have the allowed pairs at hand. Most frames fall into small groups
    that share no row or column, and most groups have one pair: each is solved by itself."""
    pairs: list[tuple[int, int]] = []
    for group in _groups(candidates):
        if len(group) == 1:
            pairs.append(group[0][:2])
        else:
            pairs += _solve(group, limit)
    return pairs


def _groups(candidates: Iterable[Candidate]) -> Iterable[list[Candidate]]:
    """Connected parts: candidates that share a row or a column, with others' help or without."""
    of_row: dict[int, list[Candidate]] = {}
    of_column: dict[int, list[Candidate]] = {}
    groups: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        row, column, _ = candidate
        a, b = of_row.get(row), of_column.get(column)
        group = a or b  # a group that is known is never empty
        if group is None:
            group = []
            groups[id(group)] = group
        elif a and b and a is not b:
            group, other = (a, b) if len(a) >= len(b) else (b, a)
            del groups[id(other)]
            group += other
            for r, c, _ in other:
                of_row[r] = of_column[c] = group
        group.append(candidate)
        of_row[row] = of_column[column] = group
    return groups.values()


def _solve(group: list[Candidate], limit: float) -> list[tuple[int, int]]:
    rows = sorted({row for row, _, _ in group})
    columns = sorted({column for _, column, _ in group})
    if len(rows) == 1 or len(columns) == 1:
        row, column, _ = min(group, key=lambda candidate: candidate[2])
        return [(row, column)]
    turned = len(rows) > len(columns)
    row_at = {row: i for i, row in enumerate(rows)}
    column_at = {column: j for j, column in enumerate(columns)}
    # Costs relative to ``limit``: what is not allowed costs 0, and saves nothing.
    cost = [[0.0] * max(len(rows), len(columns)) for _ in range(min(len(rows), len(columns)))]
    for row, column, price in group:
        i, j = row_at[row], column_at[column]
        cost[j if turned else i][i if turned else j] = price - limit
    found = [(j, i) if turned else (i, j) for i, j in _hungarian(cost) if cost[i][j] < 0.0]
    return [(rows[i], columns[j]) for i, j in found]


def _hungarian(cost: list[list[float]]) -> list[tuple[int, int]]:
    """Shortest augmenting paths (R. Jonker and A. Volgenant, "A shortest augmenting path algorithm for
    dense and sparse linear assignment problems", Computing 38, 1987); rows <= columns, O(rows^2 x
    columns). In plain lists: groups are of two to five, where each array operation would cost more
    than the whole."""
    n, m = len(cost), len(cost[0])
    row_price, column_price = [0.0] * (n + 1), [0.0] * (m + 1)
    owner = [0] * (m + 1)  # column -> row, both from 1; 0 is nobody
    before = [0] * (m + 1)
    for row in range(1, n + 1):
        owner[0], column = row, 0
        slack = [float("inf")] * (m + 1)
        free = set(range(1, m + 1))
        used = [0]
        while owner[column]:
            here = owner[column]
            own, price = cost[here - 1], row_price[here]
            delta, nearest = float("inf"), 0
            for j in free:
                reduced = own[j - 1] - price - column_price[j]
                if reduced < slack[j]:
                    slack[j], before[j] = reduced, column
                if slack[j] < delta:
                    delta, nearest = slack[j], j
            for j in used:
                row_price[owner[j]] += delta
                column_price[j] -= delta
            for j in free:
                slack[j] -= delta
            column = nearest
            free.discard(column)
            used.append(column)
        while column:
            previous = before[column]
            owner[column] = owner[previous]
            column = previous
    return [(owner[j] - 1, j - 1) for j in range(1, m + 1) if owner[j]]
