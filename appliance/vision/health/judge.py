"""Rows of one camera -> how its model does now, against the camera's own past.

Scores depend on what is in the picture and on the light. So means are never compared as they are:
they are standardised to the mix of now (direct standardisation, as epidemiology does for ages: the
mean of each class, or each class at each hour of the day, weighted by its minutes now). A day that
shows more cars than people, or a night, is then no change of the model.

Two questions:

* ``low``: are the last 24 hours below ``LOW`` of usual? Usual is the median over the seven days before
  this week, each against the same hours of the day and the same classes (against the same classes
  alone where that leaves too little); a box that is younger takes the days of this week.
* ``drop``: is the newest hour more than 10 % below the hour before? At dusk every camera falls: where
  there are three days to learn from, the usual step between these two hours of the day is taken off.

Both must also be more than chance: one-sided two-sample z test on the means with ``Z`` = 3 (p = 0.00135;
NIST/SEMATECH e-Handbook of Statistical Methods, 7.3.1), with the minutes as samples (batch means:
Law, "Simulation Modeling and Analysis", 9.5.3), since the boxes of one minute mostly show one object;
and what the step between the two hours differs from day to day is added to the variance. Less than
``LEAST_BOXES``, or ``LEAST_MINUTES`` (of a class, added up over classes), on either side never alarm.

Known limits: minutes in which the same parked car stands are no independent samples either; a scene of
one single object can alarm when another one takes its place. The first two dusks of a box can alarm.
Boxes below a camera's lowest confidence are not in the rows, so the mean cannot fall as far as scores do.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.store.model_health import Alarm, ClassSums, HealthRow

HOUR_NS = 3600 * SECOND_NS
DAY_H = 24
WEEK_D = 7
HISTORY_NS = 2 * WEEK_D * DAY_H * HOUR_NS  # what ``judge`` looks at

LOW, LOW_IS_OVER = 0.75, 0.80
DROP, DROP_IS_OVER = 0.90, 0.95
Z = 3.0
LEAST_BOXES = 100
LEAST_MINUTES = 20
LEAST_DAYS = 3

State = Literal["silent", "learning", "ok", "low", "drop", "unjudged"]
Strata = Mapping[tuple[str, int], ClassSums]  # (class, hour of the day, or 0 for all) -> sums


class Comparison(msgspec.Struct, frozen=True):
    """Two means over the same mix, and their difference in standard errors (positive: now is lower)."""

    now: float
    then: float
    z: float

    @property
    def ratio(self) -> float:
        return self.now / self.then


class Verdict(msgspec.Struct, frozen=True):
    """``unjudged``: the detector gives no scores to judge. ``level``: the mean score of the last 24 hours,
    ``usual``: what it would be as before, both None where there is not enough to say. ``ratio``: what
    made the state; ``reference_ns``: the hour before a drop, else 0. ``trend``: the mean score of each of
    the last seven days, oldest first."""

    state: State
    level: float | None = None
    usual: float | None = None
    ratio: float | None = None
    reference_ns: int = 0
    trend: tuple[float | None, ...] = (None,) * WEEK_D
    boxes: int = 0
    looks: int = 0
    inference_ms: float | None = None
    inference_ms_max: float | None = None
    classes: dict[str, int] = {}


def judge(rows: Sequence[HealthRow], now_ns: int) -> Verdict:
    """``rows``: of one camera, model and conditions, from ``HISTORY_NS`` before ``now_ns`` on."""
    hours = {row.key.hour_ns // HOUR_NS: row for row in rows if row.key.hour_ns <= now_ns}
    hour = now_ns // HOUR_NS
    verdict = _figures(hours, hour)
    if not verdict.boxes:
        return verdict
    low = _against_past_days(hours, hour)
    drop, reference = _against_hour_before(hours, hour)
    if low is not None:
        verdict = msgspec.structs.replace(verdict, level=low.now, usual=low.then, ratio=low.ratio, state="ok")
    if low is not None and low.ratio < LOW and low.z >= Z:
        return msgspec.structs.replace(verdict, state="low")
    if drop is not None and drop.ratio < DROP and drop.z >= Z:
        return msgspec.structs.replace(
            verdict,
            state="drop",
            level=drop.now,
            usual=drop.then,
            ratio=drop.ratio,
            reference_ns=reference * HOUR_NS,
        )
    return verdict


def is_over(alarm: Alarm, rows: Sequence[HealthRow], verdict: Verdict, now_ns: int) -> bool:
    """Has what ``alarm`` told of passed? Not where there is too little to say."""
    if alarm.kind == "low":
        return verdict.state == "ok" and (verdict.ratio or 0.0) >= LOW_IS_OVER
    if now_ns - alarm.reference_ns > WEEK_D * DAY_H * HOUR_NS:
        return True  # by now it is for the comparison of days to tell
    hours = {row.key.hour_ns // HOUR_NS: row for row in rows}
    reference = hours.get(alarm.reference_ns // HOUR_NS)
    newest = _newest(hours, now_ns // HOUR_NS)
    if reference is None or newest is None or newest * HOUR_NS <= alarm.since_ns // HOUR_NS * HOUR_NS:
        return False
    found = compare(_by_class([hours[newest]]), _by_class([reference]))
    return found is not None and found.ratio >= DROP_IS_OVER


def compare(now: Strata, then: Strata, expected: float = 1.0, spread: float = 0.0) -> Comparison | None:
    """The means over the strata that both have, weighted by the minutes of ``now``; None where either
    side holds too little. ``expected``: the usual step from ``then`` to ``now``, as a factor, and
    ``spread`` its standard deviation."""
    shared = [key for key in now if key in then]
    for side in (now, then):
        if sum(side[key].boxes for key in shared) < LEAST_BOXES:
            return None
        if sum(side[key].minutes for key in shared) < LEAST_MINUTES:
            return None
    weight = sum(now[key].minutes for key in shared)
    now_mean = then_mean = variance = 0.0
    for key in shared:
        share = now[key].minutes / weight
        now_mean += share * _mean(now[key])
        then_mean += share * _mean(then[key])
        variance += share**2 * (_variance_of_mean(now[key]) + expected**2 * _variance_of_mean(then[key]))
    variance += (then_mean * spread) ** 2
    then_mean *= expected
    if then_mean <= 0:
        return None
    lower = then_mean - now_mean
    z = lower / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, lower) if lower else 0.0
    return Comparison(now_mean, then_mean, z)


def _mean(sums: ClassSums) -> float:
    """Of the minutes, not of the boxes: a crowd of one minute is one minute."""
    return sums.minute_sum / sums.minutes


def _variance_of_mean(sums: ClassSums) -> float:
    """Of few minutes it is not known: then that of scores spread evenly over 0..1."""
    n = sums.minutes
    if n < 2:
        return 1 / 12
    spread = max(0.0, sums.minute_squares - sums.minute_sum**2 / n) / (n - 1)
    return spread / n


def _against_past_days(hours: Mapping[int, HealthRow], hour: int) -> Comparison | None:
    """The last 24 hours against the median of the days of the week before this one, or, where there
    are fewer than three of those, of this week's."""
    for days in (range(WEEK_D, 2 * WEEK_D), range(1, WEEK_D)):
        for strata in (_by_class_and_hour, _by_class):
            now = strata(_day(hours, hour, 0))
            found = [
                comparison
                for day in days
                if (comparison := compare(now, strata(_day(hours, hour, day)))) is not None
            ]
            if len(found) >= LEAST_DAYS:
                return sorted(found, key=lambda c: c.ratio)[len(found) // 2]
    return None


def _against_hour_before(hours: Mapping[int, HealthRow], hour: int) -> tuple[Comparison | None, int]:
    """(the newest hour with enough in it against the one before, that one's number)."""
    newest = _newest(hours, hour)
    if newest is None or newest - 1 not in hours:
        return None, 0
    now, then = _by_class([hours[newest]]), _by_class([hours[newest - 1]])
    steps = []
    for day in range(1, 2 * WEEK_D):
        pair = [hours.get(newest - day * DAY_H), hours.get(newest - 1 - day * DAY_H)]
        there = [_by_class([row]) for row in pair if row is not None]
        if len(there) == 2 and (step := compare(there[0], there[1])) is not None:
            steps.append(step.ratio)
    if len(steps) < LEAST_DAYS:
        return compare(now, then), newest - 1
    # A camera that usually gets better at this hour and does not today has lost nothing yet.
    expected = min(1.0, statistics.median(steps))
    return compare(now, then, expected, statistics.stdev(steps)), newest - 1


def _newest(hours: Mapping[int, HealthRow], hour: int) -> int | None:
    """This hour if enough of it is there, else the last one."""
    for number in (hour, hour - 1):
        if number in hours:
            sums = hours[number].classes.values()
            if sum(s.boxes for s in sums) >= LEAST_BOXES and sum(s.minutes for s in sums) >= LEAST_MINUTES:
                return number
    return None


def _day(hours: Mapping[int, HealthRow], hour: int, day: int) -> list[HealthRow]:
    """24 hours back from the end of ``hour``, ``day`` days ago: each hour of the day once."""
    last = hour - day * DAY_H
    return [hours[number] for number in range(last - DAY_H + 1, last + 1) if number in hours]


def _by_class(rows: Iterable[HealthRow]) -> Strata:
    return _strata(rows, lambda row: 0)


def _by_class_and_hour(rows: Iterable[HealthRow]) -> Strata:
    # UTC does: the sun does not know of summer time
    return _strata(rows, lambda row: row.key.hour_ns // HOUR_NS % DAY_H)


def _strata(rows: Iterable[HealthRow], hour_of: Callable[[HealthRow], int]) -> Strata:
    found: dict[tuple[str, int], ClassSums] = {}
    for row in rows:
        for name, sums in row.classes.items():
            key = (name, hour_of(row))
            found[key] = found.get(key, ClassSums()) + sums
    return found


def _figures(hours: Mapping[int, HealthRow], hour: int) -> Verdict:
    today = _day(hours, hour, 0)
    looks = sum(row.looks for row in today)
    classes = {name: sums for (name, _), sums in _by_class(today).items()}
    boxes = sum(sums.boxes for sums in classes.values())
    busiest = sorted(classes, key=lambda name: (-classes[name].boxes, name))
    return Verdict(
        "learning" if boxes else "silent",
        level=_level(today),
        trend=tuple(_level(_day(hours, hour, day)) for day in reversed(range(WEEK_D))),
        boxes=boxes,
        looks=round(looks),
        inference_ms=sum(row.inference_ms_sum for row in today) / looks if looks else None,
        inference_ms_max=max((row.inference_ms_max for row in today if row.looks), default=None),
        classes={name: classes[name].boxes for name in busiest},
    )


def _level(rows: Iterable[HealthRow]) -> float | None:
    sums = sum((s for row in rows for s in row.classes.values()), ClassSums())
    return sums.score_sum / sums.boxes if sums.boxes else None
