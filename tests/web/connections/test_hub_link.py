"""/hub over HTTP: who may, what it shows, what it refuses."""

import msgspec
import pytest

from appliance.base.settings import Settings
from appliance.store import commands, hub_link, retention_held, settings, targets
from appliance.store.commands import CommandRow, Trial
from appliance.store.hub_link import HubLink
from appliance.store.targets import Target

LINK = HubLink("hub", "box-1", bytes(range(32)), 10**18)


@pytest.fixture
async def enrolled(site):
    row = CommandRow("order-1", "k", 1, "ping", "anna", "{}", "done", "", 10**18, 2 * 10**18, 10**18)

    def work(conn) -> None:
        targets.put(conn, Target("hub", "https://hub.example", "hub"), b"sealed")
        hub_link.put(conn, LINK)
        commands.insert(conn, row)
        commands.begin_trial(conn, Trial("order-2", "[]", 10**18, 10**18 + 300 * 10**9))

    await site.db.write(work)


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [("GET", "/hub", "operator"), ("DELETE", "/hub", "installer"), ("PUT", "/hub/allowed", "installer"),
     ("POST", "/hub/enrol", "operator")],
)  # fmt: skip
async def test_it_is_not_for_everybody(site, method, path, role):
    assert (await site.ask(method, path, role, json={"kinds": []})).status == 403
    assert (await site.ask(method, path, None, json={"kinds": []})).status == 401


async def test_only_an_admin_takes_a_box_from_one_hub_to_another(site):
    body = {"url": "https://127.0.0.1:9", "code": "abcd-efgh", "again": True}
    assert (await site.ask("POST", "/hub/enrol", "installer", json=body)).status == 403
    assert (await site.ask("POST", "/hub/enrol", "admin", json=body)).status == 503


async def test_a_box_without_a_hub_says_so(site):
    hub = (await (await site.ask("GET", "/hub")).json())["hub"]
    assert hub["box_id"] is None and hub["commands"] == [] and hub["identity"] is None
    assert hub["allowed"] == ["acknowledge_alert", "fetch_clip", "patch_settings", "ping"]
    assert (await site.ask("DELETE", "/hub")).status == 404


async def test_it_shows_what_was_ordered_and_what_is_on_trial(site, enrolled):
    hub = (await (await site.ask("GET", "/hub")).json())["hub"]
    assert (hub["box_id"], hub["url"], hub["command_key"]) == (
        "box-1",
        "https://hub.example",
        "630dcd2966c43366",
    )
    assert [(row["id"], row["state"], row["by"]) for row in hub["commands"]] == [("order-1", "done", "anna")]
    assert hub["trial"] == {"command_id": "order-2", "undone_at": "2001-09-09T01:51:40.000Z"}


async def test_what_may_be_ordered_is_set_here_and_audited(site):
    said = await site.ask("PUT", "/hub/allowed", json={"kinds": ["ping", "install_model", "ping"]})
    assert (await said.json())["hub"]["allowed"] == ["install_model", "ping"]
    assert (await site.ask("PUT", "/hub/allowed", json={"kinds": ["format_disk"]})).status == 400
    rows = (await (await site.ask("GET", "/audit")).json())["audit"]
    assert [row["detail"] for row in rows if row["thing"] == "hub"] == [
        {"allowed": ["install_model", "ping"]}
    ]
    await site.ask("PUT", "/hub/allowed", json={"kinds": []})
    assert (await (await site.ask("GET", "/hub")).json())["hub"]["allowed"] == []


async def test_what_changes_may_touch_is_allowed_in_the_same_list(site):
    kinds = ["move_hub", "patch_settings", "shorten_retention"]
    said = await site.ask("PUT", "/hub/allowed", json={"kinds": kinds})
    assert (await said.json())["hub"]["allowed"] == kinds


async def test_what_the_hub_made_shorter_is_shown_and_put_back_here(site):
    before = (await (await site.ask("GET", "/settings")).json())["settings"]
    shorter = before | {"retention": before["retention"] | {"days": 1}}

    def from_afar(conn) -> None:
        kept = settings.load(conn).retention
        settings.save(conn, msgspec.convert(shorter, Settings))
        retention_held.hold(conn, kept, site.clock.now_ns())

    async def waits() -> bool:
        return (await (await site.ask("GET", "/hub")).json())["hub"]["deletes_from"] is not None

    await site.db.write(from_afar)
    assert await waits()
    page = await site.client.get("/settings/site", headers=await site.bearer("admin"))
    assert "for less time than before" in await page.text()
    await site.ask("PUT", "/settings", json=shorter | {"site": {"name": "North"}})
    assert await waits(), "who changes something else has not decided about it"
    await site.ask("PUT", "/settings", json=before)
    assert not await waits()
    await site.ask("PUT", "/settings", json=shorter)
    assert not await waits(), "at the box it counts at once"


async def test_leaving_forgets_the_hub_and_what_is_owed_to_it(site, enrolled):
    assert (await site.ask("DELETE", "/hub")).status == 204
    hub = (await (await site.ask("GET", "/hub")).json())["hub"]
    assert hub["box_id"] is None and hub["trial"] is None
    assert (await (await site.ask("GET", "/targets")).json())["targets"] == []
    assert site.changed == ["targets", "hub", "tunnel"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "https://hub.example"}, "code"),
        ({"url": "http://hub.example", "code": "abcd-efgh"}, "url"),
        ({"invitation": "https://hub.example"}, "invitation"),
        ({"invitation": "aries-enrol:1?url=https%3A%2F%2Fh&code=abcd", "code": "abcd"}, "invitation"),
        ({"url": "https://hub.example", "code": "abcd", "sha256": "12"}, "sha256"),
        ({"url": "https://hub.example", "code": "abcd", "ca": "none"}, "ca"),
        ({"url": "https://hub.example", "code": "abcd", "token": "x"}, "token"),
    ],
)
async def test_an_enrolment_that_makes_no_sense(site, body, field):
    response = await site.ask("POST", "/hub/enrol", "installer", json=body)
    assert response.status == 400 and (await response.json())["error"]["field"] == field


async def test_a_hub_that_is_not_there_is_said_and_nothing_is_stored(site):
    body = {"url": "https://127.0.0.1:9", "code": "abcd-efgh"}
    response = await site.ask("POST", "/hub/enrol", "installer", json=body)
    assert response.status == 503 and "refuses the connection" in (await response.json())["error"]["message"]
    assert (await (await site.ask("GET", "/hub")).json())["hub"]["box_id"] is None
    assert site.changed == []
