"""Time is simulated: hours of rows, judged as they would have been."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.store.model_health import Alarm, ClassSums, HealthKey, HealthRow
from appliance.vision.health import judge as judging
from appliance.vision.health.judge import HOUR_NS, compare, is_over, judge

FIRST_H = 480_000  # hours since 1970
DAY_H = 24


def sums(mean, minutes=60, per_minute=10, spread=0.03, seed=0):
    """Minutes whose means lie around ``mean``."""
    chance = random.Random(seed)
    means = [min(1.0, max(0.0, chance.gauss(mean, spread))) for _ in range(minutes)]
    return ClassSums(
        minutes * per_minute, sum(means) * per_minute, minutes, sum(means), sum(m * m for m in means)
    )


def row(hour, looks=3600.0, **classes):
    return HealthRow(
        HealthKey("gate", hour * HOUR_NS, "femto", "sub 0.40"), looks, looks * 9.0, 14.0, classes
    )


def hours(count, mean_of, first=FIRST_H):
    """``mean_of(hour)``: the mean of persons in each hour."""
    return [row(h, person=sums(mean_of(h), seed=h)) for h in range(first, first + count)]


def verdict_at_end(rows):
    return judge(rows, rows[-1].key.hour_ns + HOUR_NS - 1)


def test_nothing_seen_is_silence_and_a_young_box_learns():
    assert judge([], FIRST_H * HOUR_NS).state == "silent"
    assert judge([row(FIRST_H)], FIRST_H * HOUR_NS).state == "silent"
    young = verdict_at_end(hours(2, lambda h: 0.7))
    assert young.state == "learning" and young.usual is None
    assert young.level == pytest.approx(0.7, abs=0.02)
    assert young.trend[:-1] == (None,) * 6 and young.trend[-1] == young.level
    assert (young.boxes, young.looks, young.inference_ms, young.inference_ms_max) == (1200, 7200, 9.0, 14.0)


def test_a_quarter_lost_over_a_week_is_low_and_a_fifth_is_not():
    fading = lambda last: lambda h: 0.7 * (last if h >= FIRST_H + 13 * DAY_H else 1.0)  # noqa: E731
    low = verdict_at_end(hours(14 * DAY_H, fading(0.70)))
    assert low.state == "low"
    assert low.ratio == pytest.approx(0.70, abs=0.02) and low.usual == pytest.approx(0.7, abs=0.02)
    fair = verdict_at_end(hours(14 * DAY_H, fading(0.80)))
    assert fair.state == "ok" and fair.ratio == pytest.approx(0.80, abs=0.02)


def test_a_slow_fall_over_the_week_is_held_against_the_week_before():
    start = FIRST_H + 7 * DAY_H
    slow = lambda h: 0.7 * (1 - 0.3 * max(0, h - start) / (7 * DAY_H))  # noqa: E731
    found = verdict_at_end(hours(14 * DAY_H, slow))
    assert found.state == "low"
    assert list(found.trend) == sorted(found.trend, reverse=True)


def test_an_hour_that_falls_by_more_than_a_tenth_is_a_drop():
    found = verdict_at_end([*hours(1, lambda h: 0.7), *hours(1, lambda h: 0.56, FIRST_H + 1)])
    assert found.state == "drop" and found.ratio == pytest.approx(0.8, abs=0.02)
    assert found.reference_ns == FIRST_H * HOUR_NS
    slight = verdict_at_end([*hours(1, lambda h: 0.7), *hours(1, lambda h: 0.66, FIRST_H + 1)])
    assert slight.state == "learning"


def test_the_hour_that_runs_is_judged_once_enough_of_it_is_there():
    before = hours(1, lambda h: 0.7)
    now_ns = (FIRST_H + 1) * HOUR_NS + 30 * 60 * 10**9
    early = [*before, row(FIRST_H + 1, person=sums(0.5, minutes=judging.LEAST_MINUTES - 1))]
    enough = [*before, row(FIRST_H + 1, person=sums(0.5, minutes=judging.LEAST_MINUTES))]
    assert judge(early, now_ns).state == "learning"
    assert judge(enough, now_ns).state == "drop"


def nights(h):
    return 0.45 if h % DAY_H < 6 or h % DAY_H >= 18 else 0.7


def test_a_camera_that_is_worse_every_night_is_not_worse():
    rows = hours(12 * DAY_H, nights)
    for end in range(5 * DAY_H, 12 * DAY_H):
        assert judge(rows[:end], rows[end - 1].key.hour_ns + HOUR_NS - 1).state == "ok", end


def test_at_dusk_it_is_the_usual_step_that_is_taken_off():
    dusk = next(h for h in range(FIRST_H + 8 * DAY_H, FIRST_H + 9 * DAY_H) if h % DAY_H == 18)
    rows = hours(dusk - FIRST_H + 1, lambda h: 0.3 if h == dusk else nights(h))
    found = verdict_at_end(rows)
    assert found.state == "drop"
    assert found.usual == pytest.approx(0.45, abs=0.02) and found.level == pytest.approx(0.3, abs=0.02)


def test_an_hour_that_differs_from_day_to_day_needs_more_to_alarm():
    wild = lambda h: 0.7 if h % 2 == 0 else (0.72, 0.6, 0.68, 0.54)[h // DAY_H % 4]  # noqa: E731
    last = FIRST_H + 9 * DAY_H + 1
    steady = hours(last - FIRST_H + 1, lambda h: 0.6 if h == last else 0.7)
    restless = hours(last - FIRST_H + 1, lambda h: 0.53 if h == last else wild(h))
    assert verdict_at_end(steady).state == "drop"
    assert verdict_at_end(restless).state == "ok"


@given(
    st.dictionaries(st.sampled_from(["car", "person", "dog"]), st.integers(1, 60), min_size=1),
    st.dictionaries(st.sampled_from(["car", "person", "dog"]), st.integers(1, 60), min_size=1),
)
def test_another_mix_of_classes_is_no_change(before, now):
    means = {"car": 0.85, "person": 0.6, "dog": 0.45}
    mix = lambda h, wanted: row(  # noqa: E731
        h, **{name: sums(means[name], minutes, spread=0.0) for name, minutes in wanted.items()}
    )
    rows = [mix(FIRST_H, before), mix(FIRST_H + 1, now)]
    assert verdict_at_end(rows).state == "learning"
    days = [mix(FIRST_H + d * DAY_H, now if d == 13 else before) for d in range(14)]
    assert verdict_at_end(days).state in ("ok", "learning")


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
def test_few_boxes_never_alarm(before, now, minutes, minutes_now, per_minute):
    rows = [
        row(FIRST_H, person=sums(before, minutes, per_minute)),
        row(FIRST_H + 1, person=sums(now, minutes_now, per_minute)),
    ]
    few = (
        min(minutes, minutes_now) < judging.LEAST_MINUTES
        or min(minutes, minutes_now) * per_minute < judging.LEAST_BOXES
    )
    state = verdict_at_end(rows).state
    if few:
        assert state == "learning"
    elif now < 0.8 * before and before > 0.3:
        assert state == "drop"
    elif now > 0.95 * before + 0.03:
        assert state == "learning"


def test_chance_alone_hardly_ever_alarms():
    """Minutes that scatter widely about the same mean: 400 pairs of hours of 25 minutes each."""
    alarms = 0
    for seed in range(400):
        rows = [row(FIRST_H + n, person=sums(0.6, 25, spread=0.25, seed=2 * seed + n)) for n in range(2)]
        alarms += verdict_at_end(rows).state == "drop"
    assert alarms <= 4


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.integers(20, 60), st.floats(0.01, 0.2))
def test_the_test_is_the_textbook_s(now, then, minutes, spread):
    a, b = sums(now, minutes, spread=spread, seed=1), sums(then, minutes, spread=spread, seed=2)
    found = compare({("person", 0): a}, {("person", 0): b})
    if a.boxes < judging.LEAST_BOXES:
        assert found is None
        return
    variance = sum(
        (s.minute_squares / minutes - (s.minute_sum / minutes) ** 2) / (minutes - 1) for s in (a, b)
    )
    means = [s.minute_sum / minutes for s in (a, b)]
    assert found.now == pytest.approx(means[0]) and found.then == pytest.approx(means[1])
    if variance > 1e-9:
        assert found.z == pytest.approx((means[1] - means[0]) / math.sqrt(variance), rel=1e-3, abs=1e-3)


def test_no_change_is_no_difference_even_where_nothing_scatters():
    same = {("person", 0): sums(0.5, spread=0.0)}
    assert compare(same, same).z == 0.0
    assert compare({("person", 0): ClassSums(600, 0.0, 60, 0.0, 0.0)}, same).z == math.inf
    assert compare(same, {("person", 0): ClassSums(600, 0.0, 60, 0.0, 0.0)}) is None


def drop_alarm(hour, since_h):
    return Alarm("gate", "femto", "sub 0.40", "drop", since_h * HOUR_NS, hour * HOUR_NS, "")


def test_a_drop_is_over_when_the_camera_is_what_it_was_and_not_before():
    alarm = drop_alarm(FIRST_H, FIRST_H + 1)
    means = {FIRST_H: 0.7, FIRST_H + 1: 0.5, FIRST_H + 2: 0.5, FIRST_H + 3: 0.63, FIRST_H + 4: 0.69}
    over = []
    for end in range(2, 6):
        rows = [row(h, person=sums(m, seed=h)) for h, m in list(means.items())[:end]]
        now_ns = rows[-1].key.hour_ns + HOUR_NS - 1
        over.append(is_over(alarm, rows, judge(rows, now_ns), now_ns))
    assert over == [False, False, False, True]


def test_a_drop_is_forgotten_after_a_week_and_a_gap_ends_nothing():
    alarm = drop_alarm(FIRST_H, FIRST_H + 1)
    nothing = judge([], 0)
    later = lambda h: (FIRST_H + h) * HOUR_NS  # noqa: E731
    assert not is_over(alarm, [], nothing, later(30))
    assert is_over(alarm, [], nothing, later(7 * DAY_H + 1))


def test_low_is_over_a_little_above_where_it_began():
    alarm = Alarm("gate", "femto", "sub 0.40", "low", 0, 0, "")
    for state, ratio, over in (
        ("low", 0.7, False), ("ok", 0.76, False), ("ok", 0.81, True), ("drop", 0.85, False),
        ("learning", None, False), ("silent", None, False),
    ):  # fmt: skip
        verdict = msgspec.structs.replace(judge([], 0), state=state, ratio=ratio)
        assert is_over(alarm, [], verdict, 0) is over, (state, ratio)
