"""How much goes in one batch: what the link carries in a second, so that nothing urgent waits for longer."""

# 400: as many as the writer of the database picks in 2 ms, also where the machine is busy with other things:
# a row costs 1.3 us to read out of a queue that no cache holds.
FIRST_ROWS, MOST_ROWS, LEAST_ROWS = 100, 400, 10
FIRST_BYTES, MOST_BYTES, LEAST_BYTES = 64_000, 4_000_000, 2_000
GOAL_S = 1.0


class BatchSize:
    """``rows`` and ``size_bytes`` of bodies; grows with success and shrinks on failure."""

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most_rows = min(MOST_ROWS, most_rows)
        self._failures = 0
        self.rows = min(FIRST_ROWS, self._most_rows)
        self.size_bytes = FIRST_BYTES

    def succeeded(self, rows: int, size_bytes: int, took_s: float) -> None:
        """Full batches that went in less than the goal double; slow ones are cut to what fits."""
        self._failures = 0
        if took_s > GOAL_S:
            fits = max(LEAST_BYTES, int(size_bytes * GOAL_S / took_s))
            self.size_bytes = min(self.size_bytes, fits)
            return
        if self.is_full(rows, size_bytes):
            self.rows = min(self._most_rows, 2 * self.rows)
            self.size_bytes = min(MOST_BYTES, 2 * self.size_bytes)

    def failed(self) -> None:
        """The first failure is repeated as it was, so that it keeps its Idempotency-Key; then halves."""
        self._failures += 1
        if self._failures > 1:
            self.rows = max(min(LEAST_ROWS, self._most_rows), self.rows // 2)
            self.size_bytes = max(LEAST_BYTES, self.size_bytes // 2)

    def is_full(self, rows: int, size_bytes: int) -> bool:
        return rows >= self.rows or size_bytes >= self.size_bytes // 2
