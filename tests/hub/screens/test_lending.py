"""A box's own screen through the hub: what works, and who gets nowhere."""

import asyncio
import hashlib
import json

import aiohttp
import msgspec
import pytest
from yarl import URL

from appliance.hub.screens.box_side import LENDING
from appliance.hub.store import commands
from appliance.sync.protocol import PREFIX
from appliance.sync.protocol.command import CommandResult
from appliance.sync.protocol.screen import MOST_CONNECTIONS


async def test_the_box_s_own_pages_in_a_browser_at_the_hub(bench, browse, big_body) -> None:
    asked = await bench.lend()
    assert asked["state"] == "waiting" and asked["fingerprint"] is None
    shown = await bench.until("open")
    assert shown["fingerprint"] == bench.box.tls.fingerprint
    browser = browse(shown)
    said = json.loads(await browser.text("/whence"))
    assert said == {"remote": "", "secure": True}  # loopback's rights are not lent
    async with browser.session.get(browser.url + "/big") as response:
        assert await response.read() == big_body
    async with browser.session.post(browser.url + "/swallow", data=big_body[:900_000]) as response:
        assert await response.text() == hashlib.sha256(big_body[:900_000]).hexdigest()
    async with browser.session.ws_connect(browser.url + "/echo") as wire:
        await wire.send_str("live")
        assert await wire.receive_str() == "evil"
    audit = await bench.person.ask("GET", "/audit")
    assert any(row["detail"].get("kind") == "open_screen" for row in audit[1]["audit"])


async def test_the_box_is_not_sent_the_hub_s_session(bench) -> None:
    """Cookies know no ports: the screen has another name than the hub, or none is opened."""
    hub_host = bench.served.client.make_url("").host
    shown = await bench.lend()
    assert URL(shown["url"]).host == "localhost" != hub_host
    await bench.person.ask("DELETE", bench.path)
    status, said = await bench.person.ask("POST", bench.path, {}, Host="hub.example:1")
    assert status == 201 and URL(said["screen"]["url"]).host == "127.0.0.1"


@pytest.mark.parametrize(
    ("said", "expected"),
    [("*.screens.example", "{id}.screens.example"), ("127.0.0.1", None), ("other.example", "other.example")],
)
async def test_the_name_that_screens_have(bench, said, expected) -> None:
    hub = bench.served.hub
    screens = msgspec.structs.replace(hub.settings.screens, host=said)
    hub.settings = msgspec.structs.replace(hub.settings, screens=screens)
    status, answer = await bench.person.ask("POST", bench.path, {})
    if expected is None:
        assert status == 409 and not await bench.connects()
    else:
        assert URL(answer["screen"]["url"]).host == expected.format(id=bench.box.id)


async def test_ten_at_once_and_one_that_does_not_read_holds_up_nobody(bench, browse, big_body) -> None:
    await bench.lend()
    browser = browse(await bench.until("open"))
    async with browser.session.get(browser.url + "/big"):  # its body is never read
        bodies = await asyncio.gather(*[browser.text("/whence") for _ in range(10)])
    assert len(bodies) == 10


async def test_nobody_comes_but_who_opened_it(bench) -> None:
    await bench.lend()
    await bench.until("open")
    assert await bench.connects()
    assert not await bench.connects("127.0.0.2")


async def test_a_second_is_a_conflict_and_a_closed_one_listens_no_more(bench, browse) -> None:
    await bench.lend()
    status, said = await bench.person.ask("POST", bench.path, {})
    assert (status, said["error"]["kind"]) == (409, "conflict")
    browser = browse(await bench.until("open"))
    async with browser.session.ws_connect(browser.url + "/echo") as wire:
        assert (await bench.person.ask("DELETE", bench.path))[0] == 204
        message = await wire.receive(5)  # what was open is cut
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert not await bench.connects()
    assert await bench.person.ask("GET", bench.path) == (200, {"screen": None})


async def test_it_ends_by_itself(bench) -> None:
    await bench.lend(minutes=1)
    await bench.until("open")
    bench.clock.tick(61)
    await bench.until("closed")
    assert not await bench.connects()


async def test_a_box_that_does_not_allow_it_says_so(bench) -> None:
    bench.box.allow("ping")
    await bench.lend()
    for _ in range(500):
        owed = bench.box.db.read_now(
            lambda conn: [json.loads(row[0]) for row in conn.execute("SELECT body FROM outbox")]
        )
        if owed:
            break
        bench.clock.tick(0.2)
        await asyncio.sleep(0.005)
    assert owed[0]["state"] == "refused" and "not allowed" in owed[0]["message"]
    status, said = await bench.person.ask("GET", bench.path)
    assert (status, said["screen"]["state"]) == (200, "waiting")  # its answer comes with its outbox
    result = msgspec.convert(owed[0], CommandResult)
    store, now_ns = bench.served.hub.store, bench.clock.now_ns()
    await store.write(lambda: commands.answer(bench.box.id, result, now_ns))
    _, said = await bench.person.ask("GET", bench.path)
    assert said["screen"]["state"] == "refused" and "not allowed" in said["screen"]["message"]
    assert not await bench.connects()


async def test_the_admin_of_the_box_takes_it_back(bench) -> None:
    await bench.lend()
    await bench.until("open")
    bench.box.allow("ping")
    bench.clock.tick(10)
    await bench.until("closed")


async def test_another_box_cannot_come_for_it_nor_the_same_one_twice(bench) -> None:
    await bench.lend()
    await bench.until("open")
    lending = bench.served.client.server.app[LENDING]
    session = lending.of_box(bench.box.id).session
    other = await bench.served.box("other")
    for path in (session, f"{session}/1"):
        response = await bench.served.client.get(
            f"{PREFIX}/screens/{path}", headers={"Authorization": f"Bearer {other.token}"}
        )
        assert response.status == 404
    assert (await bench.served.client.get(f"{PREFIX}/screens/{session}")).status == 401


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_only_admins_open_screens(bench, role) -> None:
    person = await bench.served.person(role, role)
    for method in ("GET", "POST", "DELETE"):
        assert (await person.ask(method, bench.path, {} if method == "POST" else None))[0] == 403


async def test_a_box_that_never_comes_leaves_nothing_listening(bench) -> None:
    bench.box.task.cancel()
    await bench.lend(minutes=2)
    assert bench.served.client.server.app[LENDING].of_box(bench.box.id)
    bench.clock.tick(121)
    await bench.until("closed")
    assert not await bench.connects()


async def test_more_connections_than_a_browser_needs_are_turned_away(bench) -> None:
    await bench.lend()
    await bench.until("open")
    held = [await asyncio.open_connection("127.0.0.1", bench.port) for _ in range(MOST_CONNECTIONS)]
    for _ in range(200):
        if bench.served.client.server.app[LENDING].of_box(bench.box.id).connections == MOST_CONNECTIONS:
            break
        await asyncio.sleep(0.01)
    assert not await bench.connects()
    for _, writer in held:
        writer.close()


@pytest.mark.parametrize("body", [{"minutes": 0}, {"minutes": 61}, {"minutes": "x"}, {"host": "x"}])
async def test_what_makes_no_sense_opens_nothing(bench, body) -> None:
    assert (await bench.person.ask("POST", bench.path, body))[0] == 400
    assert not await bench.connects()
