"""How a long step shows itself: a bar on a terminal, a plain line now and then elsewhere; on stderr."""

import sys

BAR = 24
EVERY_S = 0.1  # on a terminal
PLAIN_EVERY = 25  # percent, elsewhere


class Bar:
    """``name [####    ]  47 %  9.6 of 20.2 MB, 3.1 MB/s``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._terminal = sys.stderr.isatty()
        self._first: tuple[int, float] | None = None
        self._drawn_s = 0.0
        self._plain = -1
        self._open = False

    def __call__(self, done: int, total: int, at_s: float) -> None:
        if self._first is None:
            self._first = (done, at_s)
        percent = min(100, 100 * done // total) if total else 0
        if self._terminal:
            if at_s - self._drawn_s >= EVERY_S or done == total:
                self._drawn_s = at_s
                self._draw(f"{percent:3d} %  {_amount(done, total)}, {self._speed(done, at_s)}", percent)
        elif percent // PLAIN_EVERY != self._plain:
            self._plain = percent // PLAIN_EVERY
            sys.stderr.write(f"{self._name}: {percent} %, {_amount(done, total)}\n")

    def share(self, done: float) -> None:
        """For steps that know only how much of them is done, 0..1."""
        percent = round(100 * min(1.0, max(0.0, done)))
        if self._terminal:
            self._draw(f"{percent:3d} %", percent)
        elif percent // PLAIN_EVERY != self._plain:
            self._plain = percent // PLAIN_EVERY
            sys.stderr.write(f"{self._name}: {percent} %\n")

    def close(self) -> None:
        """End the line, so that what follows begins on its own."""
        if self._open:
            sys.stderr.write("\n")
            self._open = False

    def _draw(self, text: str, percent: int) -> None:
        filled = "#" * (percent * BAR // 100)
        sys.stderr.write(f"\r{self._name} [{filled:{BAR}s}] {text}\x1b[K")
        sys.stderr.flush()
        self._open = True

    def _speed(self, done: int, at_s: float) -> str:
        assert self._first is not None
        elapsed_s = at_s - self._first[1]
        return f"{(done - self._first[0]) / elapsed_s / 1e6:.1f} MB/s" if elapsed_s > 0 else "..."


def _amount(done: int, total: int) -> str:
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
