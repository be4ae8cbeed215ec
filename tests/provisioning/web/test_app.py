"""The wizard's port: nothing without a claim, nothing foreign with one."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from provisioning.claim import FREE_TRIES, Claim
from provisioning.record import Record
from provisioning.web.app import make_app
from provisioning.web.guard import COOKIE, CSRF_COOKIE
from provisioning.wizard import Wizard


class Telephone:
    def __init__(self, client: TestClient, code: str) -> None:
        self.client = client
        self.code = code
        self.cookies: dict[str, str] = {}

    async def ask(self, method: str, path: str, body=None, *, csrf=True, **headers):
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            if csrf:
                headers["X-CSRF-Token"] = self.cookies[CSRF_COOKIE]
        return await self.client.request(method, path, json=body, headers=headers, allow_redirects=False)

    async def claim(self, code: str | None = None):
        answer = await self.ask("POST", "/api/claim", {"code": code or self.code}, csrf=False)
        if answer.status == 200:
            self.cookies = {name: answer.cookies[name].value for name in (COOKIE, CSRF_COOKIE)}
        return answer


@pytest_asyncio.fixture
async def telephones(tiny, ground, clock) -> AsyncIterator:
    record = Record(ground.data_dir, clock)
    ground.data_dir.mkdir()
    claims = Claim(ground.data_dir, clock)

    async def finished(called: str):
        return {"address": f"https://{called}:8443", "fingerprint": "AB"}

    app = make_app(Wizard(ground, record), claims, finished)
    client = TestClient(TestServer(app))
    await client.start_server()
    yield lambda: Telephone(client, claims.code)
    await client.close()


@pytest.fixture
def stranger(telephones):
    return telephones()


@pytest_asyncio.fixture
async def phone(telephones):
    found = telephones()
    assert (await found.claim()).status == 200
    return found


ROUTES = [
    ("GET", "/api/steps"),
    ("GET", "/api/steps/administrator"),
    ("POST", "/api/steps/administrator/plan"),
    ("POST", "/api/steps/administrator/apply"),
    ("POST", "/api/steps/administrator/confirm"),
    ("POST", "/api/steps/last/skip"),
    ("POST", "/api/steps/middle/ask/picture"),
    ("GET", "/api/box/cameras"),
    ("POST", "/api/finish"),
    ("GET", "/api/nothing"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_programs_without_a_claim_are_refused(stranger, method, path):
    answer = await stranger.ask(method, path, {})
    assert answer.status == 401
    assert (await answer.json())["error"]["kind"] == "denied"


@pytest.mark.parametrize("path", ["/steps/middle", "/finish", "/api", "/login", "/nothing", "/.git/config"])
async def test_people_without_a_claim_are_led_to_the_claim_page(stranger, path):
    answer = await stranger.ask("GET", path)
    assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_the_claim_page_says_nothing_about_the_box(stranger, ground):
    answer = await stranger.ask("GET", "/")
    text = await answer.text()
    assert answer.status == 200 and 'id="claim"' in text
    assert str(ground.data_dir) not in text and "administrator" not in text.lower()


async def test_static_files_end_where_their_folder_does(stranger):
    assert (await stranger.ask("GET", "/static/provisioning/claim.js")).status == 200
    for path in ("/static/../templates/login.html", "/static/..%2f..%2fpyproject.toml", "/static/"):
        assert (await stranger.ask("GET", path)).status in (303, 403, 404), path


async def test_the_routes_above_are_all_there_are(stranger):
    known = {(method, path) for method, path in ROUTES} | {("GET", "/"), ("POST", "/api/claim")}
    for route in stranger.client.app.router.routes():
        path = route.resource.canonical
        if route.method == "HEAD" or path.startswith(("/static", "/steps/", "/finish")):
            continue
        shape = path.split("{")[0]
        assert any(method == route.method and one.startswith(shape) for method, one in known), path


async def test_wrong_codes_are_slowed(stranger):
    for _ in range(FREE_TRIES):
        answer = await stranger.claim("2222-2222")
        assert answer.status == 403
    answer = await stranger.claim()
    assert answer.status == 429 and answer.headers["Retry-After"] == "30"
    assert (await stranger.ask("GET", "/")).status == 200


async def test_a_stranger_sends_little(stranger):
    assert (await stranger.claim("2" * 1100)).status == 413
    answer = await stranger.client.post("/api/claim", data=b"code=2222-2222")
    assert answer.status == 415


async def test_cookies_are_closed_to_scripts_and_other_sites(stranger):
    answer = await stranger.claim()
    cookie = answer.headers.getall("Set-Cookie")
    own = next(text for text in cookie if text.startswith(f"{COOKIE}="))
    assert all(word in own for word in ("HttpOnly", "Secure", "SameSite=Strict"))
    assert all("Secure" in text for text in cookie)


async def test_a_write_needs_its_token(phone, tiny):
    for headers in ({}, {"X-CSRF-Token": "x"}):
        answer = await phone.ask("POST", "/api/steps/last/skip", {}, csrf=False, **headers)
        assert answer.status == 403
    assert (await phone.ask("POST", "/api/steps/last/skip", {})).status == 200


async def test_a_second_telephone_takes_over(phone, telephones):
    second = telephones()
    await second.claim()
    assert (await second.ask("GET", "/api/steps")).status == 200
    refused = await phone.ask("GET", "/api/steps")
    assert refused.status == 401
    assert "another telephone goes on" in (await refused.json())["error"]["message"]
    assert "Another phone entered the code" in await (await phone.ask("GET", "/")).text()
    assert "nother phone" not in await (await telephones().ask("GET", "/")).text()


async def test_the_front_leads_to_the_step(phone):
    answer = await phone.ask("GET", "/")
    assert (answer.status, answer.headers["Location"]) == (303, "/steps/administrator")
    listed = await (await phone.ask("GET", "/api/steps")).json()
    assert listed["current"] == "administrator"
    assert [step["name"] for step in listed["steps"]] == ["administrator", "middle", "last"]


async def test_a_step_by_its_routes(phone, tiny):
    planned = await (
        await phone.ask("POST", "/api/steps/administrator/plan", {"given": {"word": "a"}})
    ).json()
    assert planned["plan"]["changes"][0]["text"] == "from old to a"
    body = {"given": {"word": "a"}, "digest": "other"}
    assert (await phone.ask("POST", "/api/steps/administrator/apply", body)).status == 409
    body["digest"] = planned["digest"]
    assert (await phone.ask("POST", "/api/steps/administrator/apply", body)).status == 200
    found = {"running": {"done": False}}
    while not found["running"]["done"]:
        found = await (await phone.ask("GET", "/api/steps/administrator")).json()
    assert tiny["administrator"].word == "a" and found["step"]["state"] == "done"


async def test_a_picture_is_sent_as_it_is(phone):
    answer = await phone.ask("POST", "/api/steps/middle/ask/picture", {})
    assert answer.content_type == "image/png" and await answer.read() == b"\x89PNG"


async def test_of_the_daemon_only_pictures_and_lists_are_passed(phone):
    answer = await phone.ask("GET", "/api/box/cameras/yard/snapshot.jpg?time=x")
    assert await answer.read() == b"/cameras/yard/snapshot.jpg?time=x"
    for path in ("users", "settings", "audit", "cameras/../users", "cameras/%2e%2e/users", "camerasx"):
        assert (await phone.ask("GET", f"/api/box/{path}")).status == 404, path
    assert (await phone.ask("POST", "/api/box/cameras", {})).status == 405


async def test_refusals_have_the_contract_s_shape(phone):
    answer = await phone.ask("POST", "/api/steps/administrator/plan", {"given": {"word": 5}})
    assert answer.status == 400 and (await answer.json())["error"]["field"] == "word"
    assert (await phone.ask("POST", "/api/steps/administrator/plan", [1])).status == 400
    assert (await phone.ask("GET", "/api/steps/nothing")).status == 404
    assert (await phone.ask("GET", "/steps/nothing")).status == 404
    for path in ("/steps/nothing", "/nothing"):  # a person is led back, and reads no JSON
        page = await phone.ask("GET", path, Accept="text/html,*/*")
        assert (page.status, page.headers["Location"]) == (303, "/")
    raw = await phone.client.post(
        "/api/steps/administrator/plan", data=b"{", headers={"Cookie": f"{COOKIE}={phone.cookies[COOKIE]}"}
    )
    assert raw.status == 403  # no token


async def test_it_cannot_be_finished_before_the_end(phone):
    answer = await phone.ask("POST", "/api/finish", {})
    assert answer.status == 409
    assert "Administrator" in (await answer.json())["error"]["message"]


async def test_pages_carry_their_policy(phone, stranger):
    for one, path in ((stranger, "/"), (phone, "/steps/administrator"), (phone, "/finish")):
        answer = await one.ask("GET", path)
        assert answer.status == 200 and answer.headers["Server"] == "Aries Edge"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert answer.headers["Cache-Control"] == "no-store"
