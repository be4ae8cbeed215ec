"""Judged and unseen time tile the time for which a camera was wanted, whatever happens to the worker."""

from hypothesis import example, given
from hypothesis import strategies as st

from appliance.vision.host.sight import LEAST_NS, Sight, Unseen

MS = 1_000_000
S = 1000 * MS
BEAT_MS, FRAME_MS = 500, 100
stages = st.lists(
    st.tuples(
        st.sampled_from(["judged", "wrong", "overload", "down"]), st.integers(1, 80).map(lambda n: n * 100)
    ),
    min_size=1,
    max_size=12,
)


class Life:
    """One camera through stages of (what, ms): frames each 100 ms, a beat each 500 ms."""

    def __init__(self, stages, take_every_ms: int) -> None:
        self.sight = Sight()
        self.now = 0
        self.right: set[int] = set()  # frames judged with the right model, in ms
        self.unseen: list[Unseen] = []
        self._every, self._came = take_every_ms, 0
        self._stretches: list[tuple[int, int]] = []
        self._running = ""
        self.sight.want(["yard"], 0)
        for what, length_ms in [*stages, ("judged", 1000)]:
            self._switch(what)
            for _ in range(length_ms // FRAME_MS):
                self._frame(what)
        self._beat()
        self._take()

    def _switch(self, what: str) -> None:
        wanted = {"judged": "right", "wrong": "wrong", "down": "", "overload": self._running}[what]
        if wanted != self._running:
            self._beat()
            self.sight.blinded()
            self._stretches = []
            if wanted:
                self.sight.looking(right=wanted == "right")
            self._running = wanted

    def _frame(self, what: str) -> None:
        self.now += FRAME_MS
        if self._running:
            self._came += 1
        if what in ("judged", "wrong"):
            self._note(self.now)
            if what == "judged":
                self.right.add(self.now)
        if self.now % BEAT_MS == 0:
            self._beat()
        if self.now % self._every == 0:
            self._take()

    def _note(self, ms: int) -> None:
        if self._stretches and ms - self._stretches[-1][1] <= 2000:
            self._stretches[-1] = (self._stretches[-1][0], ms)
        else:
            self._stretches.append((ms, ms))

    def _beat(self) -> None:
        if self._running and self._stretches:
            self.sight.judged("yard", [(a * MS, b * MS) for a, b in self._stretches], self._came)
            self._stretches = [(self._stretches[-1][1],) * 2]

    def _take(self) -> None:
        self.unseen += self.sight.take(self.now * MS)


@given(stages, st.integers(1, 60).map(lambda n: n * 100))
@example([("overload", 1100), ("judged", 100), ("wrong", 100)], 200)  # one frame judged, between two spans
def test_what_was_not_judged_is_unseen_and_nothing_else(stages, take_every_ms) -> None:
    life = Life(stages, take_every_ms)
    at = 0
    for span in life.unseen:
        assert at <= span.start_ns < span.end_ns
        at = span.end_ns
    assert life.sight.judged_until() == {"yard": life.now * MS}
    for ms in range(FRAME_MS, life.now, FRAME_MS):
        is_unseen = any(span.start_ns < ms * MS < span.end_ns for span in life.unseen)
        if ms in life.right:
            assert not is_unseen, ms
        elif not is_unseen:  # thinning and the edges of restarts: never longer than this
            known = [0, *life.right]
            known += [at_ns // MS for span in life.unseen for at_ns in (span.start_ns, span.end_ns)]
            before, after = max(at for at in known if at <= ms), min(at for at in known if at >= ms)
            assert (after - before) * MS <= 2 * LEAST_NS, (ms, life.unseen)


@given(stages)
@example([("judged", 400), ("overload", 1000), ("wrong", 100)])
@example([("overload", 900), ("wrong", 100)])
def test_how_often_one_asks_changes_nothing(stages) -> None:
    often, seldom = Life(stages, 100), Life(stages, 1_000_000)
    assert merged(often.unseen) == merged(seldom.unseen)


def merged(spans: list[Unseen]) -> list[Unseen]:
    out: list[Unseen] = []
    for span in spans:
        if out and (out[-1].end_ns, out[-1].cause) == (span.start_ns, span.cause):
            out[-1] = out[-1]._replace(end_ns=span.end_ns)
        else:
            out.append(span)
    return out


def test_a_worker_that_dies_is_blind_since_the_last_judged_frame() -> None:
    sight = Sight()
    sight.want(["yard", "door"], 100 * S)
    sight.looking(right=True)
    sight.judged("yard", [(100 * S, 103 * S)], 15)
    sight.blinded()
    assert sight.blind(106 * S)["yard"] == (103 * S, "worker_down")
    assert sight.take(106 * S)[0] == Unseen("yard", 103 * S, 106 * S, "worker_down")
    assert sight.blind(106 * S)["yard"] == (103 * S, "worker_down"), "it lasts, whatever was given out"
    sight.looking(right=True)
    sight.judged("yard", [(int(106.4 * S), 108 * S)], 10)
    assert sight.blind(108 * S) == {}
    assert [s for s in sight.take(108 * S) if s.camera_id == "yard"] == [
        Unseen("yard", 106 * S, int(106.4 * S), "worker_down")
    ]


def test_frames_that_wait_in_vain_are_overload_and_silence_is_not() -> None:
    sight = Sight()
    sight.want(["yard", "door"], 0)
    sight.looking(right=True)
    for camera in ("yard", "door"):
        sight.judged(camera, [(0, 1 * S)], 5)
    sight.judged("yard", [(1 * S, 1 * S)], 35)
    sight.judged("door", [(1 * S, 1 * S)], 5)
    assert sight.blind(7 * S) == {"yard": (1 * S, "overload")}
    sight.judged("yard", [(1 * S, 1 * S), (8 * S, 9 * S)], 40)
    assert sight.take(9 * S) == [Unseen("yard", 1 * S, 8 * S, "overload")]
    assert sight.blind(9 * S) == {}


def test_a_detector_that_stands_in_does_not_count_and_is_not_called_blind() -> None:
    sight = Sight()
    sight.want(["yard"], 0)
    sight.looking(right=False)
    sight.judged("yard", [(0, 3 * S)], 15)
    sight.judged("yard", [(3 * S, 9 * S)], 45)
    assert sight.blind(10 * S) == {}
    assert sight.take(10 * S) == [Unseen("yard", 0, 9 * S, "model_missing")]
    sight.judged("yard", [(9 * S, int(9.2 * S))], 46)
    assert sight.take(10 * S) == [Unseen("yard", 9 * S, int(9.2 * S), "model_missing")]


def test_a_daemon_that_comes_back_goes_on_where_the_one_before_was() -> None:
    sight = Sight()
    sight.resume({"yard": 50 * S, "gone": 50 * S})
    sight.want(["yard", "new"], 90 * S)
    sight.looking(right=True)
    for camera in ("yard", "new"):
        sight.judged(camera, [(92 * S, 93 * S)], 5)
    assert set(sight.take(93 * S)) == {
        Unseen("yard", 50 * S, 92 * S, "restart"),
        Unseen("new", 90 * S, 92 * S, "worker_down"),
    }
    sight.want(["new"], 94 * S)
    sight.want(["yard", "new"], 95 * S)
    assert sight.judged_until()["yard"] == 95 * S, "what was switched off is not owed a look"


def test_a_clock_that_is_set_back_begins_anew() -> None:
    sight = Sight()
    sight.want(["yard"], 1000 * S)
    sight.looking(right=True)
    sight.judged("yard", [(1000 * S, 1003 * S)], 5)
    sight.take(500 * S)
    sight.judged("yard", [(500 * S, 503 * S)], 5)
    assert sight.take(503 * S) == [] and sight.judged_until() == {"yard": 503 * S}


def test_a_worker_that_is_back_within_a_moment_still_leaves_something_to_look_at() -> None:
    """Whoever crossed a line in that moment is told of by nobody else."""
    sight = Sight()
    sight.want(["yard"], 100 * S)
    sight.looking(right=True)
    sight.judged("yard", [(100 * S, 103 * S)], 15)
    sight.blinded()
    sight.looking(right=True)
    sight.judged("yard", [(int(103.4 * S), 108 * S)], 10)
    assert sight.take(108 * S) == [Unseen("yard", 103 * S, int(103.4 * S), "worker_down")]
