"""Commands: pulled by long poll, by the box they are for; answered in a batch."""

import asyncio

from appliance.base.ids import uuid7
from appliance.hub import running
from appliance.hub.store import commands
from appliance.hub.store.commands import OutgoingCommand


async def order(served, box_id: str, life_ns: int = 60_000_000_000) -> str:
    now_ns = served.clock.now_ns()
    id_ = uuid7(now_ns)

    def work():
        seq = yield from commands.next_seq(box_id)
        payload = f'{{"seq":{seq}}}'
        yield from commands.add(
            OutgoingCommand(
                id_, box_id, seq, "ping", payload, served.hub.command_key.sign(payload),
                served.hub.command_key.key_id, now_ns, now_ns + life_ns, "ann",
            )
        )  # fmt: skip

    await served.hub.store.write(work)
    return id_


async def pulled(box, wait: float = 0) -> list[str]:
    status, said = await box.ask("GET", f"/commands?wait={wait}")
    assert status == 200
    return [command["payload"] for command in said["commands"]]


async def test_a_box_pulls_its_own_commands_oldest_first_until_they_are_answered(served):
    a, b = await served.box("box-a"), await served.box("box-b")
    first = await order(served, "box-a")
    await order(served, "box-a")
    await order(served, "box-b")
    assert await pulled(a) == ['{"seq":1}', '{"seq":2}']
    assert (await a.beat())[1]["commands_waiting"] == 2
    forged = {"command_id": first, "state": "done"}
    await b.batch(b.row("r1", "command_result", forged))  # another box's word
    assert await pulled(a) == ['{"seq":1}', '{"seq":2}']
    await a.batch(a.row("r1", "command_result", {**forged, "message": "it is", "result": {"n": 1}}))
    assert await pulled(a) == ['{"seq":2}']
    person = await served.person("ann")
    _, said = await person.ask("GET", "/boxes/box-a/commands")
    assert [(c["state"], c["message"], c["result"]) for c in said["commands"]] == [
        ("waiting", "", {}), ("done", "it is", {"n": 1}),
    ]  # fmt: skip


async def test_an_expired_command_is_not_told_any_more(served):
    box = await served.box("box-a")
    await order(served, "box-a", life_ns=1_000_000_000)
    served.clock.tick(2)
    assert await pulled(box) == []


async def test_a_long_poll_is_answered_as_soon_as_another_instance_was_told(start):
    first, second = await start(), await start()
    box = await first.box("box-a")
    looking = asyncio.create_task(running.look(first.hub))
    waiting = asyncio.create_task(pulled(box, 20))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await order(second, "box-a")
    while not waiting.done():
        first.clock.tick(1)
        await asyncio.sleep(0.05)
    assert waiting.result() == ['{"seq":1}']
    looking.cancel()


async def test_two_who_order_at_once_get_two_numbers(start):
    first, second = await start(), await start()
    await first.box("box-a")
    await asyncio.gather(*(order(served, "box-a") for served in (first, second) * 4))
    rows = await first.hub.store.read(lambda: commands.listed_of("box-a", 99))
    assert sorted(row["seq"] for row in rows) == list(range(1, 9))


async def test_a_wait_that_is_none_is_refused(served):
    box = await served.box("box-a")
    for wait in ("-1", "26", "x", "nan"):
        assert (await box.ask("GET", f"/commands?wait={wait}"))[0] == 400
