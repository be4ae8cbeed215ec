"""Rows: each taken or refused for itself, held once, acknowledged when they are committed."""

import asyncio
import gzip
import json
import zlib

import pytest
from aiohttp import web

from appliance.base.clock import SECOND_NS
from appliance.hub.app import make_app
from appliance.hub.store import received
from appliance.hub.store.steps import every
from appliance.sync.protocol.counts import digest

EMBEDDED = pytest.mark.parametrize("places", ["embedded"], indirect=True)  # the store has no say in it


async def test_a_batch_is_taken_once_however_often_it_comes(served):
    box = await served.box("box-a")
    rows = [box.row(f"e{n}") for n in range(50)]
    for _ in range(3):
        status, said = await box.batch(*rows)
        assert (status, sorted(said["acknowledged"]), said["refused"]) == (
            200,
            sorted(row["id"] for row in rows),
            [],
        )
    counts = await box.counts()
    assert list(counts.values()) == [(50, sum(digest(row["id"]) for row in rows))]


async def test_one_bad_row_is_refused_with_its_reason_and_the_others_are_taken(served):
    box = await served.box("box-a")
    good, late = box.row("good"), box.row("late")
    bad = [
        {**box.row("no-time"), "created_at": "yesterday"},
        {**box.row("y"), "id": "../../etc/passwd"},
        {**box.row("z"), "id": "x" * 65},
        {**box.row("newline"), "id": "newline\n"},
        "not a row",
        box.row("no-type", body={"id": "no-type"}),
        box.row("other-id", body={**box.row("another")["body"]}),
        box.row("too-long", kind="ledger", body={"text": "x" * 256_001}),
        box.row("nul", body={**box.row("nul")["body"], "camera_id": "a\x00b"}),
        box.row("a-file", kind="clip", body={}),
        box.row("wrong-kind", kind="No Kind"),
        box.row("bad-result", kind="command_result", body={"command_id": "x", "state": "eaten"}),
    ]
    status, said = await box.batch(good, *bad, late)
    assert status == 200
    assert said["acknowledged"] == ["good", "late"]
    assert [refusal["index"] for refusal in said["refused"]] == list(range(1, len(bad) + 1))
    assert all(refusal["reason"] for refusal in said["refused"])
    assert {"no-time", "no-type", "too-long", "nul"} <= {refusal["id"] for refusal in said["refused"]}
    assert sum(count for count, _ in (await box.counts()).values()) == 2


async def test_the_same_id_twice_in_one_batch_is_one_row(served):
    box = await served.box("box-a")
    status, said = await box.batch(box.row("e1"), box.row("e1"))
    assert (status, said["acknowledged"]) == (200, ["e1"])
    assert [count for count, _ in (await box.counts()).values()] == [1]


@EMBEDDED
async def test_a_kind_that_a_newer_box_may_have_is_held(served):
    box = await served.box("box-a")
    assert (await box.batch(box.row("n", kind="weather", body={"wind": [1, 2]})))[1]["acknowledged"] == ["n"]


@EMBEDDED
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"device_id":"box-a"}',
        b'{"device_id":"box-a","batch":{}}',
        b"\xff\xfe",
        b"[" * 9000,
    ],
)
async def test_what_is_no_batch_is_told_so(served, body):
    box = await served.box("box-a")
    status, said = await box.ask("POST", "/batch", body)
    assert (status, said["error"]["kind"]) == (400, "invalid")


@EMBEDDED
async def test_more_rows_than_a_batch_may_have_are_refused_whole(served):
    box = await served.box("box-a")
    assert (await box.batch(*[box.row(f"e{n}") for n in range(1001)]))[0] == 400
    assert await box.counts() == {}


@EMBEDDED
async def test_gzip_is_unpacked(served):
    box = await served.box("box-a")
    packed = gzip.compress(json.dumps({"device_id": box.id, "batch": [box.row("e1")]}).encode())
    status, said = await box.ask("POST", "/batch", packed, Content_Encoding="gzip")
    assert (status, said["acknowledged"]) == (200, ["e1"])
    assert (await box.ask("POST", "/batch", packed[:-9], Content_Encoding="gzip"))[0] == 400
    assert (await box.ask("POST", "/batch", b"plain", Content_Encoding="gzip"))[0] == 400
    assert (await box.ask("POST", "/batch", packed, Content_Encoding="br"))[0] == 415


@EMBEDDED
async def test_a_gigabyte_of_zeros_in_gzip_costs_nothing(served, gigabyte_of_zeros):
    box = await served.box("box-a")
    assert len(gigabyte_of_zeros) < 8_000_000  # so that it is not refused for its own length
    unpacked, real = 0, zlib.decompressobj

    class Counted:
        def __init__(self, wbits):
            self._real = real(wbits)

        def decompress(self, piece, most):
            nonlocal unpacked
            found = self._real.decompress(piece, most)
            unpacked += len(found)
            return found

        eof = False
        unconsumed_tail = property(lambda self: self._real.unconsumed_tail)

    zlib.decompressobj = Counted
    try:
        status, said = await box.ask("POST", "/batch", gigabyte_of_zeros, Content_Encoding="gzip")
    finally:
        zlib.decompressobj = real
    assert (status, said["error"]["kind"]) == (413, "invalid")
    assert 0 < unpacked <= 8_000_000 + 65_536  # of 1 073 741 824


@EMBEDDED
async def test_a_body_that_is_too_long_is_413_before_it_is_read(served):
    box = await served.box("box-a")
    assert (await box.ask("POST", "/batch", bytes(8_000_001)))[0] == 413


async def test_a_clock_ten_years_off_is_taken_and_marked_and_both_times_are_kept(served):
    box = await served.box("box-a")
    now_ns = served.clock.now_ns()
    ten_years_s = 3652 * 86_400
    await box.batch(
        box.row("ahead", at_s=ten_years_s), box.row("behind", at_s=-ten_years_s), box.row("right")
    )
    rows = await served.hub.store.read(
        lambda: every("SELECT id, created_ns, arrived_ns, clock_off FROM rows ORDER BY id")
    )
    found = {row["id"]: (row["created_ns"] - now_ns, row["arrived_ns"], row["clock_off"]) for row in rows}
    assert found == {
        "ahead": (ten_years_s * SECOND_NS, now_ns, 1),
        "behind": (-ten_years_s * SECOND_NS, now_ns, 0),
        "right": (0, now_ns, 0),
    }
    served.clock.tick(60)
    await box.beat(box_time="2016-01-01T00:00:00.000Z")  # now it is known how far it is off
    await box.batch(box.row("known", at_s=-ten_years_s))
    person = await served.person("ann")
    _, said = await person.ask("GET", "/events")
    assert {event["event"]["id"]: event["clock_off"] for event in said["events"]} == {
        "known": True, "ahead": True, "right": False, "behind": False,
    }  # fmt: skip
    assert said["events"][0]["event"]["id"] == "known"  # where it arrived, not where it says


async def test_two_instances_that_get_the_same_batch_at_once_agree(start):
    first, second = await start(), await start()
    box = await first.box("box-a")
    rows = [box.row(f"e{n}") for n in range(200)]
    clients = [first.client, second.client]

    async def send(number):
        twin = type(box)(clients[number % 2], box.clock, box.id, "", token=box.token)
        shuffled = rows[number * 7 :] + rows[: number * 7]
        return await twin.batch(*shuffled)

    answers = await asyncio.gather(*(send(number) for number in range(8)))
    assert all(status == 200 and len(said["acknowledged"]) == 200 for status, said in answers)
    assert list((await box.counts()).values()) == [(200, sum(digest(row["id"]) for row in rows))]
    counted = await first.hub.store.read(lambda: received.recounted("box-a"))
    assert {(b.kind, b.day): (b.count, b.digest) for b in counted} == await box.counts()
    held = await first.hub.store.read(lambda: every("SELECT count(*) AS n FROM rows"))
    assert held[0]["n"] == 200


async def test_an_event_is_shown_in_its_newest_form_whichever_row_came_first(served):
    box = await served.box("box-a")
    person = await served.person("ann")
    body = box.row("e1")["body"]
    ended = {**body, "end_time": "2026-02-01T00:00:00.000Z"}
    await box.batch(box.row("u1", "event_update", {**ended, "id": "e2"}))  # of one that comes later
    await box.batch(box.row("e1"), box.row("e2"))
    await box.batch(box.row("u2", "event_update", ended))
    _, said = await person.ask("GET", "/events")
    assert {e["event"]["id"]: e["event"]["end_time"] for e in said["events"]} == {
        "e1": ended["end_time"], "e2": ended["end_time"],
    }  # fmt: skip


async def test_an_alert_stands_as_it_was_last_said_in_whatever_order(served):
    box = await served.box("box-a")
    person = await served.person("ann")
    at = box.row("x")["created_at"]
    alert = {"id": "a1", "event_id": "e1", "camera_id": "gate", "severity": "critical", "status": "new",
             "created_at": at}  # fmt: skip
    later = box.row("u1", "alert_update", {**alert, "status": "resolved"}, at_s=2)
    between = box.row("u0", "alert_update", {**alert, "status": "acknowledged"}, at_s=1)
    for rows in ([later], [between], [box.row("a1", "alert", alert)]):
        assert (await box.batch(*rows))[1]["refused"] == []
    _, said = await person.ask("GET", "/alerts")
    assert [a["alert"]["status"] for a in said["alerts"]] == ["resolved"]


async def test_a_tombstone_is_a_row_of_its_own_kind(served):
    box = await served.box("box-a")
    await box.batch(box.row("e1", "tombstone", {"kind": "event", "reason": "quota"}))
    assert [kind for kind, _ in await box.counts()] == ["tombstone"]


async def test_a_crowd_is_told_when_to_come_back_and_an_alert_is_taken_all_the_same(served) -> None:
    box = await served.box("box-1")
    held = asyncio.Event()

    async def hold() -> None:
        async with served.hub.turns.turn(0, False):
            await held.wait()

    before = [asyncio.create_task(hold()) for _ in range(20)]
    await asyncio.sleep(0)
    served.hub.turns._turn_s = 1e6
    response = await box.raw("POST", "/batch", {"device_id": box.id, "batch": [box.row("e-1")]})
    assert response.status == 503 and int(response.headers["Retry-After"]) >= 1
    assert await box.counts() == {}
    status, said = await box.batch(box.row("e-2"), Priority="u=0")
    assert (status, said["acknowledged"]) == (200, ["e-2"])
    held.set()
    await asyncio.gather(*before)
    served.hub.turns._turn_s = 0.01
    assert (await box.batch(box.row("e-1")))[0] == 200


async def test_an_older_update_of_an_event_that_comes_later_does_not_win(served):
    box = await served.box("box-a")
    person = await served.person("ann")
    body = box.row("e1")["body"]

    def told(row_id: str, event_id: str, word: str, at_s: float):
        return box.row(row_id, "event_update", {**body, "id": event_id, "type": word}, at_s=at_s)

    await box.batch(box.row("e1"), box.row("e3"))
    for row in (told("u2", "e1", "newest", 20), told("u1", "e1", "older", 10)):
        await box.batch(row)
    for row in (told("u3", "e2", "newest", 20), told("u4", "e2", "older", 10)):  # before the event itself
        await box.batch(row)
    await box.batch(box.row("e2"))
    await box.batch(told("u5", "e2", "between", 15))
    await box.batch(told("u7", "e3", "greater", 5))
    await box.batch(told("u6", "e3", "smaller", 5))  # at one moment: the greater id
    _, said = await person.ask("GET", "/events")
    shown = {event["event"]["id"]: event["event"]["type"] for event in said["events"]}
    assert shown == {"e1": "newest", "e2": "newest", "e3": "greater"}


async def test_a_word_of_a_clock_that_was_ahead_does_not_stand_for_years(served):
    box = await served.box("box-a")
    person = await served.person("ann")
    years_s = 10 * 365 * 86_400
    ahead = box.row("x", at_s=years_s)["created_at"]
    alert = {"id": "a1", "event_id": "e1", "camera_id": "gate", "severity": "critical", "created_at": ahead}
    body = box.row("e1")["body"]
    far, near = {**body, "type": "ahead"}, {**body, "type": "right"}
    served.clock.tick(100)  # the box was not heard for a while: it set its clock right meanwhile
    await box.batch(
        box.row("a1", "alert", {**alert, "status": "new"}, at_s=years_s),
        box.row("e1", at_s=-60),
        box.row("u1", "event_update", far, at_s=years_s),
        box.row("u2", "event_update", near, at_s=-50),
        box.row("a2", "alert_update", {**alert, "status": "resolved"}, at_s=-50),
    )
    served.clock.tick(10)
    right = box.row("x")["created_at"]
    await box.batch(box.row("a9", "alert", {**alert, "id": "a9", "status": "new", "created_at": right}))
    _, said = await person.ask("GET", "/alerts")
    shown = [(found["alert"]["id"], found["alert"]["status"]) for found in said["alerts"]]
    assert shown == [("a9", "new"), ("a1", "resolved")]  # not on top for ten years
    _, said = await person.ask("GET", "/events")
    assert [event["event"]["type"] for event in said["events"]] == ["right"]
    _, said = await person.ask("GET", "/boxes")
    assert said["boxes"][0]["alerts_critical"] == 1


async def test_half_a_character_or_nan_in_one_row_refuses_that_row_alone(served):
    box = await served.box("box-a")
    rows = [box.row("e1"), box.row("half"), box.row("nan"), box.row("e2")]
    text = json.dumps({"device_id": box.id, "batch": rows})
    text = text.replace('"id": "half", "type": "intrusion"', r'"id": "half", "type": "\ud800"')
    nan = '"nan", "type": "intrusion", "severity": "critical"'
    assert nan in text and r"\ud800" in text
    text = text.replace(nan, nan + ', "confidence": NaN')
    status, said = await box.ask("POST", "/batch", text.encode())
    assert (status, said["acknowledged"]) == (200, ["e1", "e2"])
    assert [(refusal["id"], refusal["index"]) for refusal in said["refused"]] == [("half", 1), ("nan", 2)]
    person = await served.person("ann")
    _, shown = await person.ask("GET", "/events")
    assert [event["event"]["id"] for event in shown["events"]] == ["e2", "e1"]


async def test_a_nul_in_an_id_is_an_id_that_nobody_has(served):
    box = await served.box("box-a")
    await box.batch(box.row("e1"))
    assert await box.ask("POST", "/missing", {"ids": ["e1", "a\x00b"]}) == (200, {"ids": ["a\x00b"]})
    person = await served.person("ann")
    for path in ("/boxes?site_id", "/boxes?q", "/events?box_id", "/events?type", "/alerts?site_id",
                 "/uploads?event_id", "/events?cursor", "/events?start_time"):  # fmt: skip
        assert (await person.ask("GET", f"{path}=a%00b"))[0] in (200, 400), path
    for path in ("/?q", "/?site", "/events?site", "/events?box", "/events?type", "/events?class",
                 "/events?camera", "/alerts?site", "/alerts?box", "/clips?box", "/clips?event"):  # fmt: skip
        response = await served.client.get(f"{path}=a%00b", headers=person.headers)
        assert response.status in (200, 303, 400, 404), path


@EMBEDDED
async def test_a_connection_that_is_cut_is_no_error_of_ours(served, caplog):
    box = await served.box("box-a")
    runner = web.AppRunner(make_app(served.hub), auto_decompress=False)  # does not cancel handlers, as the
    await runner.setup()  # real one, and other than the one for tests
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    head = f"POST /api/v1/box/batch HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {box.token}\r\n"
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}Content-Length: 5000\r\n\r\n".encode() + b"{" * 100)
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()
    await asyncio.sleep(0.2)
    await runner.cleanup()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert (await box.batch(box.row("e1")))[0] == 200
