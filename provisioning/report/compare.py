"""How a report differs from the first one of its box, in sentences: one per thing that changed.

What is smaller than the measurement's own scatter is no difference: a tenth of a frame rate, a fifth of a bit
rate, half a second of a clock.
"""

from collections.abc import Callable, Iterator

from provisioning.report.document import Line, Report, Result, State

WORDS: dict[State, str] = {
    "passed": "passed",
    "failed": "did not pass",
    "attention": "passed with a remark",
    "not_done": "was not done",
}


def differences(first: Report, now: Report) -> tuple[str, ...]:
    """Empty: nothing that matters changed. What is there no more, or is new, is told once."""
    return tuple(dict.fromkeys(_all(first, now)))


def _all(first: Report, now: Report) -> Iterator[str]:
    before = {result.name: result for result in first.results}
    after = {result.name: result for result in now.results}
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            there = new or old
            assert there is not None
            yield f"{there.title}: {'done now for the first time' if old is None else 'not done this time'}."
            continue
        if "not_done" in (old.state, new.state):
            if old.state != new.state:
                yield f"{new.title}: {WORDS[old.state]} then, {WORDS[new.state]} now. {new.text}"
            continue
        if old.state != new.state and not old.lines and not new.lines:
            yield f"{new.title}: {WORDS[old.state]} then, {WORDS[new.state]} now. {new.text}"
        yield from _figures(new.title, old, new)
        yield from _lines(old, new)


def _lines(old: Result, new: Result) -> Iterator[str]:
    before = {line.of: line for line in old.lines}
    after = {line.of: line for line in new.lines}
    for of, line in before.items():
        if of not in after:
            yield f"{line.name}: was there at the first test, and is not now."
    for of, line in after.items():
        if of not in before:
            yield f"{line.name}: new since the first test."
            continue
        if before[of].state != line.state:
            yield f"{line.name}: {WORDS[before[of].state]} then, {WORDS[line.state]} now. {line.text}"
        yield from _figures(line.name, before[of], line)


def _figures(name: str, old: Result | Line, new: Result | Line) -> Iterator[str]:
    before = {figure.name: figure.value for figure in old.figures}
    for figure in new.figures:
        was, value = before.get(figure.name), figure.value
        matters = MATTERS.get(figure.name)
        if was is None or value is None or matters is None or not matters(was, value):
            continue
        yield f"{name}: {figure.name} {_number(was)} {figure.unit} then, {_number(value)} {figure.unit} now."


def _share(part: float) -> Callable[[float, float], bool]:
    return lambda was, now: abs(now - was) > part * max(abs(was), abs(now))


def _by(step: float) -> Callable[[float, float], bool]:
    return lambda was, now: abs(now - was) > step


# name of a figure -> whether the change from the first value to the second is one
MATTERS: dict[str, Callable[[float, float], bool]] = {
    "frame rate": _share(0.1),
    "bit rate": _share(0.2),
    "lost": _by(0.5),
    "jitter": lambda was, now: abs(now - was) > 10 and _share(0.5)(was, now),
    "clock skew": _by(0.5),
    "key frame every": _by(0.5),
    "days of ring": _share(0.1),
    "needed": _share(0.2),
    "disk speed": _share(0.3),
    "lost at the cut": _by(0.3),
    "to recording": _by(10.0),
    "battery": _by(10.0),
}


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"
