"""Commands: pulled by long poll, by the box they are for; answered in a batch."""

import asyncio
import json

from appliance.hub import running
from appliance.hub.control import ordering
from appliance.hub.store import commands


async def order(served, box_id: str, life_s: float = 3600.0) -> str:
    made = await served.hub.store.write(
        lambda: ordering.order(served.hub, box_id, "ping", {}, "ann", life_s=life_s)
    )
    return made.id


async def pulled(box, wait: float = 0, after: int = 0) -> list[str]:
    """Ids of what is waiting."""
    status, said = await box.ask("GET", f"/commands?wait={wait}&after={after}")
    assert status == 200
    return [json.loads(command["payload"])["id"] for command in said["commands"]]


async def test_a_box_pulls_its_own_commands_oldest_first_until_they_are_answered(served):
    a, b = await served.box("box-a"), await served.box("box-b")
    first, second = await order(served, "box-a"), await order(served, "box-a")
    await order(served, "box-b")
    assert await pulled(a) == [first, second]
    assert (await a.beat())[1]["commands_waiting"] == 2
    forged = {"command_id": first, "state": "done"}
    await b.batch(b.row("r1", "command_result", forged))  # another box's word
    assert await pulled(a) == [first, second]
    await a.batch(a.row("r1", "command_result", {**forged, "message": "it is", "result": {"n": 1}}))
    assert await pulled(a) == [second]
    person = await served.person("ann")
    _, said = await person.ask("GET", "/boxes/box-a/commands")
    assert [(c["state"], c["message"], c["result"]) for c in said["commands"]] == [
        ("waiting", "", {}), ("done", "it is", {"n": 1}),
    ]  # fmt: skip


async def test_an_expired_command_is_not_told_any_more(served):
    box = await served.box("box-a")
    await order(served, "box-a", life_s=60)
    served.clock.tick(61)
    assert await pulled(box) == []


async def test_a_long_poll_is_answered_as_soon_as_another_instance_was_told(start):
    first, second = await start(), await start()
    box = await first.box("box-a")
    looking = asyncio.create_task(running.look(first.hub))
    waiting = asyncio.create_task(pulled(box, 20))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    ordered = await order(second, "box-a")
    while not waiting.done():
        first.clock.tick(1)
        await asyncio.sleep(0.05)
    assert waiting.result() == [ordered]
    looking.cancel()


async def test_two_who_order_at_once_get_two_numbers(start):
    first, second = await start(), await start()
    await first.box("box-a")
    await asyncio.gather(*(order(served, "box-a") for served in (first, second) * 4))
    rows = await first.hub.store.read(lambda: commands.listed_of("box-a", 99))
    numbers = sorted(row["seq"] for row in rows)
    assert numbers == list(range(numbers[0], numbers[0] + 8))


async def test_a_wait_that_is_none_is_refused(served):
    box = await served.box("box-a")
    for wait in ("-1", "26", "x", "nan"):
        assert (await box.ask("GET", f"/commands?wait={wait}"))[0] == 400
    for after in ("-1", "x", "1" * 17):
        assert (await box.ask("GET", f"/commands?after={after}"))[0] == 400
