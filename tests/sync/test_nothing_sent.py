"""What never left the box costs nothing of a budget; what may have left costs its whole body."""

import socket

import pytest

from appliance.store.policy import Budget, Policy

ROWS = 50


@pytest.fixture
def dead_port():
    """Bound and not listening: every connection is refused, and nobody else gets the port."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def used_bytes(bench, failures: int) -> int:
    """Of the day's budget after so many attempts that came to nothing."""
    bench.start()
    bench.owe(ROWS)
    before_ns = None
    for _ in range(failures):

        def failed_anew(before_ns=before_ns) -> bool:
            return any(s.next_attempt_ns not in (None, before_ns) for s in bench.sync.states().values())

        await bench.until(failed_anew, 1)
        before_ns = bench.sync.states()["cloud"].next_attempt_ns
    state = bench.sync.states()["cloud"]
    assert state.error
    return state.day_bytes


@pytest.mark.parametrize("kind", ["https", "hub"])
async def test_a_target_that_nobody_reaches_costs_no_budget(bench, dead_port, kind) -> None:
    scheme = "https" if kind == "https" else "http"
    policy = Policy(budget=Budget(day_bytes=10_000_000, overhead_percent=0))
    bench.put(kind=kind, url=f"{scheme}://127.0.0.1:{dead_port}/in", policy=policy)
    assert await used_bytes(bench, 3) == 0
    assert bench.figures().waiting == ROWS


async def test_an_answer_that_does_not_come_costs_what_was_sent(bench, cloud) -> None:
    bench.put(policy=Policy(budget=Budget(day_bytes=10_000_000, overhead_percent=0)))
    cloud.script = ["lost"]
    assert await used_bytes(bench, 1) >= sum(len(str(body["body"])) for body in cloud.bodies.values()) > 0
