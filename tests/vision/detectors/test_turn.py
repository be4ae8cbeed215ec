"""One run after another, whoever asks."""

import threading
import time

import pytest

from appliance.vision.detectors.turn import Turn


@pytest.fixture
def turn():
    turn = Turn()
    yield turn
    turn.close()


def test_runs_of_many_threads_never_overlap_and_each_gets_its_own_answer(turn):
    inside, most, answers = [], [], {}

    def work(number: int) -> int:
        inside.append(number)
        most.append(len(inside))
        time.sleep(0.0005)
        inside.remove(number)
        return number * number

    def ask(number: int) -> None:
        answers[number] = turn.start(lambda: work(number)).wait()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == {number: number * number for number in range(20)}
    assert max(most) == 1


def test_what_a_run_raises_is_raised_where_it_was_asked_for(turn):
    with pytest.raises(RuntimeError, match="no such operator"):
        turn.start(lambda: (_ for _ in ()).throw(RuntimeError("no such operator"))).wait().wait()
    assert turn.start(lambda: 3).wait() == 3, "and the next one runs"


def test_its_thread_ends_with_it():
    turn = Turn()
    (thread,) = {turn.start(threading.current_thread).wait()}
    turn.close()
    thread.join(10)
    assert not thread.is_alive()


def test_nothing_of_a_run_is_kept(turn):
    class Picture:
        gone = threading.Event()

        def __del__(self):
            self.gone.set()

    def ask() -> None:
        picture = Picture()
        turn.start(lambda: id(picture)).wait()

    ask()
    turn.start(lambda: None).wait()
    assert Picture.gone.wait(10)
