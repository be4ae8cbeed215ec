"""Whom a restart would help, and whom not; time is told, and what the kernel says is given."""

import asyncio
import os
import socket
import threading

import pytest

from appliance.daemon.liveness import (
    LONGEST_START_S,
    START_GRACE_S,
    START_PERIOD_S,
    STUCK_S,
    Liveness,
    ask_for_time,
    sleeps_in_kernel,
)
from appliance.media.work import Work
from appliance.system.notify import Notifier


class Watched:
    """A watchdog's end, and the threads that it hears of."""

    def __init__(self, clock, tmp_path) -> None:
        self.clock = clock
        self.works: list[Work] = []
        self.in_kernel: set[int] = set()
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(tmp_path / "notify"))
        self._ear.setblocking(False)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        self.liveness = Liveness(clock, lambda: self.works, notifier, self.in_kernel.__contains__)
        self.close = lambda: (self._ear.close(), notifier.close())

    def pass_s(self, seconds: float) -> bool:
        """So long, looked at each second: was the watchdog fed at the end of it?"""
        fed = False
        for _ in range(round(seconds)):
            self.clock.tick(1)
            self.liveness.look()
            fed = False
            while True:
                try:
                    fed |= self._ear.recv(4096) == b"WATCHDOG=1"
                except BlockingIOError:
                    break
        return fed

    def at_work(self, *, alive: bool = True) -> None:
        self.works = [Work("stream gate/main", alive, 7, self.clock.monotonic_ns())]

    @property
    def said(self) -> tuple[str, str]:
        ((_, status, detail),) = self.liveness.findings()
        return status, detail


@pytest.fixture
def watched(clock, tmp_path):
    clock.tick(1)
    made = Watched(clock, tmp_path)
    yield made
    made.close()


def test_nobody_at_work_is_fed_for_ever(watched):
    """No camera, or one that is unplugged: its thread waits, however long."""
    assert watched.pass_s(2)
    watched.works = [Work("stream gate/main", True, 7, 0)]
    assert watched.pass_s(3600)
    assert watched.said == ("ok", "nothing holds it up")


def test_a_turn_that_does_not_end_stops_the_feeding_and_its_end_begins_it_again(watched):
    watched.at_work()
    assert watched.pass_s(STUCK_S - 1)
    assert not watched.pass_s(1)
    assert not watched.pass_s(60)
    assert watched.said[0] == "failing"
    watched.at_work()
    assert watched.pass_s(1)
    assert watched.said[0] == "ok"


def test_a_thread_that_ended_is_never_coming_back(watched):
    watched.at_work(alive=False)
    assert not watched.pass_s(1)


def test_a_thread_that_waits_for_a_disk_is_a_state(watched):
    watched.at_work()
    watched.in_kernel.add(7)
    assert watched.pass_s(3600)
    assert watched.said == ("failing", "the disk does not answer")


def test_a_thread_that_the_disk_has_let_go_has_as_long_as_any_other(watched):
    """Out of an hour in the kernel, in the same turn: not stuck yet, but if it stays so, then it is."""
    watched.at_work()
    watched.in_kernel.add(7)
    assert watched.pass_s(3600)
    watched.in_kernel.clear()
    assert watched.pass_s(STUCK_S - 1)
    assert not watched.pass_s(2)


def test_one_that_is_stuck_is_enough(watched):
    watched.at_work()
    watched.works += [Work("volume disk1", True, 8, 0), Work("stream yard/main", True, 9, 0)]
    assert not watched.pass_s(STUCK_S + 1)
    assert watched.said == ("failing", "1 of its threads stuck; the box restarts")


def test_the_kernel_says_that_a_waiting_thread_of_ours_can_be_interrupted():
    leave = threading.Event()
    waiting = threading.Thread(target=leave.wait)
    waiting.start()
    try:
        assert not sleeps_in_kernel(waiting.native_id)
    finally:
        leave.set()
        waiting.join()
    assert not sleeps_in_kernel(2**22 + 1)  # no such thread
    assert not sleeps_in_kernel(os.getpid())


async def test_a_start_has_the_time_that_it_takes_but_not_for_ever(clock):
    asked: list[tuple[float, float]] = []

    class Manager:
        def extend(self, seconds: float) -> None:
            asked.append((clock.monotonic_ns() / 1e9, seconds))

    asking = asyncio.create_task(ask_for_time(clock, Manager()))
    await asyncio.sleep(0)
    assert asked == [(0.0, START_GRACE_S)]  # before anything is opened
    await clock.advance(LONGEST_START_S - 1, START_PERIOD_S / 2)
    assert not asking.done()
    ends = [at + seconds for at, seconds in asked]
    assert all(following[0] + 30 < end for end, following in zip(ends, asked[1:], strict=False))
    await clock.advance(START_PERIOD_S * 2)
    assert asking.done() and max(ends) <= LONGEST_START_S + START_GRACE_S
