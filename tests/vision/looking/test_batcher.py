"""Whose picture is next, and what becomes of the others."""

import threading
import time
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.vision.looking.batcher import Batcher


@dataclass(frozen=True)
class Item:
    camera_id: str
    number: int = 0


@pytest.fixture
def batcher():
    return Batcher()


def take(batcher, most=1, timeout_s=0.0, **how):
    return batcher.take(most, timeout_s, **({"weights": {}} | how))


def look(batcher, most=1, **how):
    """Taken and judged."""
    batch = take(batcher, most, **how)
    batcher.done(batch)
    return batch


def test_the_newest_wins_and_who_waits_longest_comes_first(batcher):
    assert not batcher.put(Item("a", 1))
    assert not batcher.put(Item("b", 2))
    assert batcher.put(Item("a", 3))
    assert [look(batcher)[0].number, look(batcher)[0].number] == [3, 2]
    assert look(batcher) == ()


def test_a_batch_has_every_camera_once(batcher):
    for number in range(3):
        for camera_id in "abcde":
            batcher.put(Item(camera_id, number))
    assert [item.camera_id for item in take(batcher, 4)] == list("abcd")
    assert [item.camera_id for item in take(batcher, 4)] == ["e"]


def test_a_camera_is_judged_in_order(batcher):
    batcher.put(Item("a", 1))
    first = take(batcher)
    batcher.put(Item("a", 2))
    batcher.put(Item("b", 3))
    assert [item.number for item in take(batcher, 2)] == [3]
    assert batcher.waiting("a") == 1 and take(batcher) == ()
    batcher.done(first)
    assert [item.number for item in take(batcher)] == [2]


def test_what_is_forgotten_is_not_given_out(batcher):
    batcher.put(Item("a"))
    batcher.put_past(Item("then"), 0)
    batcher.forget("a")
    batcher.forget("then")
    assert batcher.waiting("a") == 0 and take(batcher) == ()


def test_a_batch_waits_for_others_only_so_long(batcher):
    batcher.put(Item("a"))
    began = time.monotonic()
    threading.Timer(0.05, batcher.put, [Item("b")]).start()
    assert len(take(batcher, 2, 5.0, gather_s=2.0)) == 2  # full before its time
    assert time.monotonic() - began < 1.5
    batcher.done([Item("a"), Item("b")])
    batcher.put(Item("a"))
    assert len(take(batcher, 2, 5.0, gather_s=0.02)) == 1  # and not later than that


def test_who_shares_takes_its_part_of_what_waits(batcher):
    for camera_id in "abcdefgh":
        batcher.put(Item(camera_id))
    taken = ["".join(item.camera_id for item in take(batcher, 3, sharers=2)) for _ in range(4)]
    assert taken == ["abc", "def", "g", "h"]


def test_the_past_waits_for_the_present(batcher):
    assert batcher.put_past(Item("then", 1), 0)
    assert not batcher.put_past(Item("then", 2), 0.01)  # one place
    batcher.put(Item("a"))
    assert [look(batcher)[0].camera_id] == ["a"]
    past = take(batcher)
    assert past[0].camera_id == "then"
    assert batcher.put_past(Item("then", 2), 0)
    assert take(batcher) == ()  # in order as well: the first is being looked at
    batcher.done(past)
    assert take(batcher)[0].number == 2


def test_whoever_waits_is_told_when_it_is_over(batcher):
    got = []
    waiting = [
        threading.Thread(target=lambda: got.append(take(batcher, 1, 30.0))),
        threading.Thread(target=lambda: got.append(batcher.put_past(Item("then"), 30.0))),
    ]
    batcher.put_past(Item("then"), 0)
    batcher.forget("then")
    batcher._past = Item("then")  # occupied, and nobody takes it
    batcher._past_in_flight = True
    for thread in waiting:
        thread.start()
    batcher.close()
    for thread in waiting:
        thread.join(5)
    assert sorted(map(bool, got)) == [False, False]


def served(
    rates: dict[str, float], weights: dict[str, float], capacity: float, most: int, seconds=60, sharers=1
):
    """Looks per camera where one batch at a time takes ``len(batch) / capacity`` seconds."""
    batcher, counts, now = Batcher(), Counter(), 0.0
    due = {camera_id: n / len(rates) / rate for n, (camera_id, rate) in enumerate(rates.items())}
    while now < seconds:
        for camera_id, rate in rates.items():
            while due[camera_id] <= now:
                batcher.put(Item(camera_id))
                due[camera_id] += 1 / rate
        batch = look(batcher, most, weights=weights, sharers=sharers)
        counts.update(item.camera_id for item in batch)
        now += len(batch) / capacity if batch else min(due.values()) - now
    return {camera_id: counts[camera_id] / seconds for camera_id in rates}


@given(
    cameras=st.integers(2, 20),
    overload=st.floats(1.2, 6.0),
    most=st.sampled_from([1, 4, 8]),
    sharers=st.sampled_from([1, 2]),
)
def test_nobody_starves(cameras, overload, most, sharers):
    """Equal demand, equal weight: equal shares, however few there are."""
    rates = {f"c{n}": 5.0 for n in range(cameras)}
    got = served(rates, {}, 5.0 * cameras / overload, most, sharers=sharers)
    assert min(got.values()) >= 0.9 * max(got.values())
    assert sum(got.values()) >= 0.95 * 5.0 * cameras / overload


@given(extra=st.floats(1.5, 10.0))
def test_who_sends_more_gets_no_more(extra):
    got = served({"calm": 5.0, "mad": 5.0 * extra}, {}, 8.0, 1)
    assert got["calm"] >= 3.6


@given(weight=st.floats(1.0, 6.0))
def test_rates_fall_together_by_priority(weight):
    rates = {"door": 20.0, "yard": 20.0, "shed": 20.0}
    got = served(rates, {"door": weight}, 6.0, 1, seconds=200)
    assert abs(got["door"] / got["yard"] - weight) < 0.15 * weight
    assert abs(got["yard"] - got["shed"]) < 0.1 * got["yard"]


def test_enough_for_all_is_enough_for_all():
    got = served({"a": 5.0, "b": 2.0, "c": 10.0}, {"a": 3.0}, 40.0, 1)
    assert got["a"] >= 4.9 and got["b"] >= 1.9 and got["c"] >= 9.8


def test_who_was_silent_has_saved_nothing_up():
    """A camera that wakes does not take all turns until it has caught up."""
    batcher = Batcher()
    for number in range(100):
        batcher.put(Item("busy", number))
        look(batcher)
    first = []
    for number in range(10):
        batcher.put(Item("busy", number))
        batcher.put(Item("woken", number))
        first.append(look(batcher)[0].camera_id)
    assert 5 <= first.count("woken") <= 7
