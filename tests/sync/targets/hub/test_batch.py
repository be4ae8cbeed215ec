"""Rows: what a hub makes of them, and what the box makes of the hub's answers."""

import asyncio
import json

import pytest

from appliance.base.errors import ApplianceError
from appliance.store.targets import Target
from appliance.sync.protocol.batch import LONGEST_BATCH_BYTES
from appliance.sync.targets import registry


def test_this_is_a_sync_target(target) -> None:
    assert target.takes_files
    assert target.most_rows == 1_000


async def test_rows_arrive_and_only_what_is_acknowledged_leaves(hub, target, row) -> None:
    rows = [row("a"), row("b", "alert", b'{"x":"y"}', lane=0), row("c", is_tombstone=True)]
    hub.script["batch"] = ["half"]
    verdict = await target.put(rows)
    assert (verdict.kind, verdict.acknowledged, verdict.rejected) == ("delivered", ("a", "c"), ())
    verdict = await target.put(rows)
    assert verdict.acknowledged == ("a", "b", "c")
    assert (hub.rows["b"].kind, hub.rows["b"].lane, hub.rows["a"].lane) == ("alert", 0, 2)
    assert bytes(hub.rows["b"].body) == b'{"x":"y"}'
    assert hub.rows["c"].kind == "tombstone"
    assert hub.rows["a"].created_at == "2026-01-20T14:30:00.000Z"


async def test_a_refused_row_is_named_with_its_reason_and_the_others_are_taken(hub, target, row) -> None:
    hub.refuses = {"b": "its clock is ten years off"}
    verdict = await target.put([row("a"), row("b"), row("c")])
    assert verdict.acknowledged == ("a", "c")
    assert verdict.rejected == (("b", "its clock is ten years off"),)


async def test_a_batch_says_how_urgent_it_is(hub, target, row) -> None:
    await target.put([row("a", "alert", lane=0), row("b")])
    await target.put([row("c", lane=6)])
    assert [headers["Priority"] for headers in hub.headers] == ["u=0", "u=6"]


@pytest.mark.parametrize(
    ("refused", "rejected"),
    [
        ({"id": "", "index": 1, "reason": "no id"}, (("b", "no id"),)),
        ({"id": "", "index": 9, "reason": "no id"}, ()),
        ({"id": "of-another", "index": 0, "reason": "?"}, ()),
        ({"id": "a", "index": 7, "reason": "both said"}, (("a", "both said"),)),
    ],
)
async def test_what_a_refusal_is_of(hub, target, row, refused, rejected) -> None:
    answer = {"acknowledged": ["a", "of-another"], "refused": [refused]}
    hub.script["batch"] = [f"garbage:{json.dumps(answer)}"]
    verdict = await target.put([row("a"), row("b")])
    assert verdict.rejected == rejected
    assert verdict.acknowledged == (() if rejected and rejected[0][0] == "a" else ("a",))


async def test_an_id_that_nobody_asked_for_says_nothing(hub, target, row) -> None:
    hub.script["batch"] = ["stranger"]
    assert (await target.put([row("a")])).acknowledged == ("a",)


@pytest.mark.parametrize("how", ["garbage", "garbage:[]", "garbage:", "garbage:\xff", "huge", "lost"])
async def test_an_answer_that_says_nothing_is_later(hub, target, row, how) -> None:
    hub.script["batch"] = [how]
    verdict = await target.put([row("a")])
    assert verdict.kind == "later"
    assert verdict.error
    assert (await target.put([row("a")])).acknowledged == ("a",)


@pytest.mark.parametrize(
    ("how", "kind", "after_s"),
    [
        ("status:401", "refused", 0),
        ("status:403", "refused", 0),
        ("status:404", "refused", 0),
        ("status:413", "poisoned", 0),
        ("status:422", "poisoned", 0),
        ("status:408", "later", 0),
        ("status:429,17", "later", 17),
        ("status:503,40", "later", 40),
        ("status:500", "later", 0),
        ("status:302", "later", 0),
    ],
)
async def test_a_status_means_what_it_means_to_any_target(hub, target, row, how, kind, after_s) -> None:
    hub.script["batch"] = [how]
    verdict = await target.put([row("a")])
    assert (verdict.kind, verdict.after_s) == (kind, after_s)
    assert "as the test wants it" in verdict.error


async def test_nobody_there_and_nobody_who_answers_are_later(hub, target, row, bench) -> None:
    hub.script["batch"] = ["slow"]
    slow = bench.target(hub.url, timeout_s=0.2)
    assert (await slow.put([row("a")])).error.startswith("no answer in time: the hub is silent (")
    await slow.close()
    gone = bench.target("http://127.0.0.1:9", timeout_s=1.0)
    verdict = await gone.put([row("a")])
    assert verdict.kind == "later"
    await gone.close()


async def test_a_token_is_in_no_verdict(hub, row, bench) -> None:
    stranger = bench.target(hub.url, secret="a-wrong-token-of-the-test")
    verdict = await stranger.put([row("a")])
    assert (verdict.kind, "wrong-token" in verdict.error) == ("refused", False)
    assert not (await stranger.probe()).ok
    hub.script["batch"] = [f"garbage:{bench.TOKEN}"]
    await stranger.close()


async def test_what_pays_is_packed(hub, target, row) -> None:
    await target.put([row("small")])
    await target.put([row(f"r-{n}", body=b'{"text":"%s"}' % (b"again " * 40)) for n in range(400)])
    packed = [headers.get("Content-Encoding") for headers in hub.headers]
    assert packed == [None, "gzip"]
    assert int(hub.headers[1]["Content-Length"]) < 20_000
    assert len(hub.rows) == 401


async def test_more_than_a_request_holds_goes_in_several(hub, target, row) -> None:
    body = json.dumps("x" * 250_000).encode()
    rows = [row(f"r-{n}", body=body) for n in range(LONGEST_BATCH_BYTES // len(body) + 3)]
    verdict = await target.put(rows)
    assert verdict.acknowledged == tuple(each.id for each in rows)
    assert hub.seen == ["batch", "batch"]
    hub.script["batch"] = ["ok", "status:500"]
    verdict = await target.put(rows)
    assert verdict.kind == "delivered"
    assert 0 < len(verdict.acknowledged) < len(rows)


async def test_the_rows_connection_is_warm_and_a_stale_one_is_replaced(hub, target, row) -> None:
    for name in "abc":
        await target.put([row(name)])
    assert len(hub.connections) == 1
    for transport in hub.connections:
        transport.abort()  # as a hub does that restarts
    await asyncio.sleep(0)
    assert (await target.put([row("d")])).acknowledged == ("d",)


async def test_a_cancelled_batch_leaves_its_connection(hub, target, row) -> None:
    hub.script["batch"] = ["slow"]
    task = asyncio.create_task(target.put([row("a")]))
    await hub.arrived.wait()
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    assert (await target.put([row("b")])).acknowledged == ("b",)
    assert len(hub.connections) == 2


def test_what_can_be_a_hub() -> None:
    for url, options in (("https://hub/x?y=1", {}), ("https://hub#a", {}), ("https://hub", {"topic": "x"})):
        with pytest.raises(ApplianceError):
            registry.check(Target("hub", url, "hub", options=options), None)
    registry.check(Target("hub", "https://hub:8443/below/", "hub"), None)


async def test_an_address_may_have_a_path(hub, bench, row) -> None:
    target = bench.target(hub.url + "/")
    assert (await target.put([row("a")])).kind == "delivered"
    await target.close()


async def test_over_tls_too(tls, row, bench) -> None:
    async with bench.served(bench.Hub(), bench.server_tls(tls[0])) as hub:
        target = bench.target(hub.url, tls=bench.client_tls(tls[1]))
        assert (await target.put([row("a")])).acknowledged == ("a",)
        assert (await target.probe()).ok
        await target.close()


async def test_probe_says_whether_it_is_a_hub_that_knows_us(hub, target) -> None:
    assert (await target.probe()).ok
    hub.script["counts"] = ["status:403", "garbage"]
    assert "403" in (await target.probe()).detail
    assert not (await target.probe()).ok
    assert hub.rows == {}
    await target.close()
    await target.close()
