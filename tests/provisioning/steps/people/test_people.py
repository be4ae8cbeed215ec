"""People and channels on a real daemon; webhooks go to a receiver of the test's own."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from appliance.base.errors import ApplianceError
from provisioning.steps.people import ChannelGiven, People, PeopleGiven, UserGiven

NOBODY = {"host": "mail.test", "from": "box@site.test", "to": []}
OPEN = {"url": "http://far.test/"}
GUARD = UserGiven("guard", "operator", "three small words here")


class Receiver:
    def __init__(self) -> None:
        self.status = 200
        self.posts: list[tuple[dict[str, str], Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.posts.append((dict(request.headers), await request.json()))
        return web.Response(status=self.status)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver():
    """Plain HTTP: on this machine that is allowed."""
    found = Receiver()
    app = web.Application()
    app.router.add_post("/in", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    yield found
    await runner.cleanup()


def hook(receiver, **more) -> ChannelGiven:
    options = {"url": receiver.url} | more.pop("options", {})
    return ChannelGiven("Control room", "webhook", options, **more)


async def test_people_and_channels_are_added_once_and_tried(box_ground, twice, receiver) -> None:
    given = PeopleGiven((GUARD,), (hook(receiver, secret="sesame-open"),))
    planned, said, checks = await twice(People(), given)
    assert planned == ["add guard as operator", "tell Control room of alerts, and try it"]
    assert {check.name: check.ok for check in checks} == {"admin": True, "guard": True, "Control room": True}
    ((headers, body),) = receiver.posts
    assert headers["Authorization"] == "Bearer sesame-open" and body["is_test"]
    assert "sesame" not in str(planned) + str(said) + str(checks) + repr(given)
    guard = next(
        u for u in (await box_ground.daemon.ask("GET", "/users"))["users"] if u["username"] == "guard"
    )
    assert guard["must_change_password"], "the installer's password is good for one sign-in"


async def test_a_channel_that_does_not_work_is_said_and_mended(box_ground, twice, receiver) -> None:
    receiver.status = 401
    step = People()
    _, _, checks = await twice(step, PeopleGiven(channel=(hook(receiver, secret="wrong-token"),)))
    bad = next(check for check in checks if check.name == "Control room")
    assert not bad.ok and "401" in bad.text and "token" in bad.hint
    receiver.status = 200
    given = PeopleGiven(channel=(hook(receiver, secret="right-token", renew=True),))
    assert [c.text for c in (await step.plan(box_ground, given)).changes] == [
        "change the channel Control room, and try it"
    ]
    await step.apply(box_ground, given, lambda text: None)
    assert all(check.ok for check in await step.verify(box_ground, given))
    assert receiver.posts[-1][0]["Authorization"] == "Bearer right-token"


async def test_a_channel_can_be_tried_at_any_time(box_ground, twice, receiver) -> None:
    step = People()
    await twice(step, PeopleGiven(channel=(hook(receiver),)))
    (channel,) = (await step.probe(box_ground)).channels
    tried = await step.ask(box_ground, "test", {"id": channel["id"]})
    assert tried.ok and len(receiver.posts) == 2


async def test_changed_answers_change_what_is_there(box_ground, twice, receiver) -> None:
    await twice(People(), PeopleGiven((GUARD,), (hook(receiver),)))
    quiet = ({"days": ["mon"], "from": "22:00", "to": "06:00"},)
    changed = PeopleGiven(
        (UserGiven("Guard", "viewer"),), (hook(receiver, quiet=quiet, least_severity="critical"),)
    )
    planned, _, _ = await twice(People(), changed)
    assert planned == ["make Guard viewer, for all cameras", "change the channel Control room, and try it"]
    (channel,) = (await box_ground.daemon.ask("GET", "/channels"))["channels"]
    assert channel["least_severity"] == "critical" and channel["quiet"]["windows"][0]["from"] == "22:00"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (PeopleGiven((UserGiven("guard"),)), "user.0.password"),
        (PeopleGiven((GUARD, GUARD)), "user.1.username"),
        (PeopleGiven((UserGiven("guard", password="x" * 12, cameras=("Moon",)),)), "user.0.cameras.0"),
    ],
)
async def test_answers_that_cannot_be_are_refused_in_the_plan(box_ground, given, field) -> None:
    with pytest.raises(ApplianceError) as caught:
        await People().plan(box_ground, given)
    assert caught.value.field == field and caught.value.hint


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (PeopleGiven((UserGiven("guard", password="short"),)), "user.0.password"),
        (
            PeopleGiven(channel=(ChannelGiven("M", "mail", {"host": "x", "from": "a@b.c", "to": []}),)),
            "channel.0.options.to",
        ),
        (
            PeopleGiven(channel=(ChannelGiven("W", "webhook", {"url": "http://far.test/"}),)),
            "channel.0.options.url",
        ),
    ],
)
async def test_what_the_daemon_refuses_is_named_by_the_answer(box_ground, given, field) -> None:
    with pytest.raises(ApplianceError) as caught:
        await People().apply(box_ground, given, lambda text: None)
    assert caught.value.field == field and caught.value.hint


@pytest.mark.long
async def test_an_alert_of_the_whole_line_reaches_the_channel_with_its_key(
    box_ground, twice, receiver
) -> None:
    await twice(People(), PeopleGiven(channel=(hook(receiver),)))
    ask, tested = box_ground.daemon.ask, len(receiver.posts)
    body = {"name": "Walk", "rtsp_url": "sim://walk?fps=10&size=640x360&gop=10"}
    camera = (await ask("POST", "/cameras", body))["camera"]["id"]
    corners = [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]
    zone = {"camera_id": camera, "name": "All", "kind": "polygon", "points": corners}
    zone_id = (await ask("POST", "/zones", zone))["zone"]["id"]
    rule = {"name": "Anybody", "kind": "zone_enter", "zone_ids": [zone_id], "severity": "critical"}
    await ask("POST", "/rules", rule)
    async with asyncio.timeout(90):
        while len(receiver.posts) == tested:
            await asyncio.sleep(0.2)
    headers, said = receiver.posts[tested]
    assert headers["Idempotency-Key"] == said["id"] and said["severity"] == "critical"
    assert said["camera"] == "Walk" and said["event"]["zone_id"] == zone_id and not said["is_test"]
    alerts = (await ask("GET", "/alerts"))["alerts"]
    assert said["alert"]["id"] in {alert["id"] for alert in alerts}
    async with asyncio.timeout(10):
        while not (await ask("GET", "/channels"))["channels"][0]["state"]["sent_at"]:
            await asyncio.sleep(0.05)
