"""Sign-in on the hub: cookies with CSRF, bearer tokens, one-time passwords, roles."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.hub.people import ROUTES
from appliance.hub.settings import HubSettings
from appliance.hub.store import users
from appliance.hub.store.steps import every

PASSWORD = "a horse in the rain"
pytestmark = pytest.mark.parametrize("places", ["embedded"], indirect=True)


async def test_a_cookie_needs_the_csrf_token_for_writes_and_a_bearer_does_not(served):
    await served.person("ann")
    login = {"username": "ANN", "password": PASSWORD}
    response = await served.client.post("/api/v1/auth/login", json=login)
    assert response.status == 200
    morsel = response.cookies["hub_session"]
    assert morsel["httponly"] and morsel["samesite"] == "Strict"
    csrf = response.cookies["hub_csrf"].value
    cookies = {"hub_session": morsel.value}
    site = {"name": "Harbour"}
    refused = await served.client.post("/api/v1/sites", json=site, cookies=cookies)
    assert refused.status == 403
    headers = {"X-CSRF-Token": csrf}
    made = await served.client.post("/api/v1/sites", json=site, cookies=cookies, headers=headers)
    assert made.status == 201
    bearer = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
    served.client.session.cookie_jar.clear()
    assert (await served.client.post("/api/v1/sites", json=site, headers=bearer)).status == 201


async def test_a_session_slides_and_ends(served):
    await served.person("ann")
    response = await served.client.post("/api/v1/auth/login", json={"username": "ann", "password": PASSWORD})
    cookies = {"hub_session": response.cookies["hub_session"].value}
    served.client.session.cookie_jar.clear()
    for _ in range(3):
        served.clock.tick(8 * 3600)
        assert (await served.client.get("/api/v1/auth/me", cookies=cookies)).status == 200
    served.clock.tick(13 * 3600)
    assert (await served.client.get("/api/v1/auth/me", cookies=cookies)).status == 401


async def test_wrong_names_and_passwords_look_the_same_and_make_one_wait(served):
    await served.person("ann")
    served.clock.tick(61)
    answers = []
    for username in ["ann"] * 6 + ["nobody"] * 6:
        login = {"username": username, "password": "wrong wrong"}
        response = await served.client.post("/api/v1/auth/login", json=login)
        answers.append((response.status, (await response.json())["error"]["message"]))
    assert answers[:6] == answers[6:]
    assert [status for status, _ in answers[:6]] == [401] * 5 + [429]


async def test_a_claim_code_is_for_one_sign_in(served):
    admin = await served.person("ann")
    await admin.ask("POST", "/users", {"username": "bob", "password": "first password", "role": "viewer"})
    response = await served.client.post(
        "/api/v1/auth/login", json={"username": "bob", "password": "first password"}
    )
    said = await response.json()
    assert said["must_change_password"]
    served.client.session.cookie_jar.clear()
    bob = type(admin)(served.client, {"Authorization": f"Bearer {said['access_token']}"})
    assert (await bob.ask("GET", "/boxes"))[0] == 403
    change = {"current_password": "first password", "new_password": "first password"}
    assert (await bob.ask("POST", "/auth/password", change))[0] == 400
    change["new_password"] = "another sentence"
    assert (await bob.ask("POST", "/auth/password", change))[0] == 200
    assert (await bob.ask("GET", "/boxes"))[0] == 200
    await bob.ask("POST", "/auth/logout")
    assert (await bob.ask("GET", "/boxes"))[0] == 401


async def test_every_route_asks_for_its_role(served):
    ranks = {None: 0, "viewer": 1, "operator": 2, "admin": 3}
    people = {role: await served.person(role, role) for role in ("viewer", "operator", "admin")}
    for route in ROUTES:
        if route.role is None or "logout" in route.path:
            continue
        path = route.path.removeprefix("/api/v1")
        for pattern in ("{id:[A-Za-z0-9_-]{1,64}}", "{box:[A-Za-z0-9_-]{1,64}}"):
            path = path.replace(pattern, "none")
        response = await served.client.request(route.method, f"/api/v1{path}")
        assert response.status == 401, route
        for role, person in people.items():
            if route.method == "GET" or ranks[role] < ranks[route.role]:
                status, _ = await person.ask(route.method, path)
                assert (status == 403) == (ranks[role] < ranks[route.role]), (route, role)


async def test_only_hashes_of_sessions_and_passwords_are_stored(served):
    ann = await served.person("ann")
    rows = await served.hub.store.read(lambda: every("SELECT * FROM sessions"))
    assert len(rows) == 2
    token = ann.headers["Authorization"].removeprefix("Bearer ")
    assert token not in repr(rows)
    found = await served.hub.store.read(lambda: users.by_name("ann"))
    hashed = await served.hub.store.read(lambda: users.password_hash(found.id))
    assert hashed.startswith("$argon2id$")


async def test_a_disabled_person_is_out_at_once_and_the_last_admin_stays(served):
    ann, bob = await served.person("ann"), await served.person("bob")
    _, said = await ann.ask("GET", "/users")
    ids = {user["username"]: user["id"] for user in said["users"]}
    assert (await ann.ask("PATCH", f"/users/{ids['bob']}", {"disabled": True}))[0] == 200
    assert (await bob.ask("GET", "/boxes"))[0] == 401
    for method, change in (("DELETE", None), ("PATCH", {"role": "viewer"}), ("PATCH", {"site_ids": []})):
        status, said = await ann.ask(method, f"/users/{ids['ann']}", change)
        assert (status, said["error"]["kind"]) == (409, "conflict")
    assert (await ann.ask("GET", "/users"))[0] == 200
    status, said = await ann.ask(
        "POST", "/users", {"username": "Bob", "password": PASSWORD, "role": "viewer"}
    )
    assert (status, said["error"]["field"]) == (409, "username")


async def test_health_and_metrics(served, monkeypatch):
    for path in ("live", "ready", "startup"):
        assert (await served.client.get(f"/health/{path}")).status == 200
    response = await served.client.get("/metrics")
    assert b"hub_request_duration_seconds" in await response.read()
    headers = {"X-Forwarded-For": "203.0.113.9"}
    assert (await served.client.get("/metrics", headers=headers)).status == 401

    async def away(work):
        raise ApplianceError("unavailable", "the database is away", "start it")

    monkeypatch.setattr(served.hub.store, "read", away)
    assert (await served.client.get("/health/ready")).status == 503
    assert (await served.client.get("/health/live")).status == 200


@pytest.mark.parametrize(
    "url",
    ["http://[", "https://host:99999", "https://host:x", "https://[::1", "https://h/?a=b", "https://h#x",
     "https://höst", "ftp://host", "https://u@host", "https://"],
)  # fmt: skip
async def test_an_invitation_is_to_an_address(served, url):
    ann = await served.person("ann")
    code = await served.code()
    status, said = await ann.ask("POST", "/invitations", {"url": url, "code": code})
    assert (status, said["error"]["field"]) == (400, "url")
    assert (await ann.ask("POST", "/invitations", {"url": "https://[::1]:8444", "code": code}))[0] == 200


@pytest.mark.parametrize(
    "name",
    [" ann", "ann ", "an  n", "a\u200bnn", "ann\u00ad", "\u3164", "\uff41nn", "\u0430nn", "\u202eann",
     "\ufb01n", "ann\u2800"],
)  # fmt: skip
async def test_a_user_name_looks_like_what_it_is(served, name):
    ann = await served.person("ann")
    user = {"username": name, "password": PASSWORD, "role": "viewer"}
    status, said = await ann.ask("POST", "/users", user)
    assert (status, said["error"]["field"]) == (400, "username")


async def test_names_of_any_one_alphabet_are_taken(served):
    ann = await served.person("ann")
    for name in ("bob o'neill", "Анна", "Ελένη", "José", "佐藤 ken", "b.b-2@site"):
        user = {"username": name, "password": PASSWORD, "role": "viewer"}
        assert (await ann.ask("POST", "/users", user))[0] == 201, name


@pytest.mark.parametrize(
    "password",
    ["password123", "P@ssw0rd2026!", "1234567890", "qwertyuiop", "Welcome-2026", "0123456789", "iloveyou!!"],
)
async def test_passwords_that_are_tried_first_are_refused(served, password):
    ann = await served.person("ann")
    status, said = await ann.ask("POST", "/users", {"username": "b", "password": password, "role": "viewer"})
    assert (status, said["error"]["field"]) == (400, "password")


async def test_a_name_is_guarded_against_many_addresses_too(served):
    served.hub.settings = HubSettings(proxies=("127.0.0.0/8",))

    async def login(number: int, password: str) -> int:
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        said = {"username": "ann", "password": password}
        answer = await served.client.post("/api/v1/auth/login", json=said, headers=headers)
        served.client.session.cookie_jar.clear()
        return answer.status

    await served.person("ann")
    assert await login(250, PASSWORD) == 200
    statuses = [await login(number, "wrong") for number in range(40)]
    assert statuses == [401] * 21 + [429] * 19
    assert await login(250, PASSWORD) == 200  # from where she came before
    assert await login(41, PASSWORD) == 429
    served.clock.tick(6)
    assert await login(41, PASSWORD) == 200  # slower, and not locked out
    assert await login(42, "wrong") == 429
    served.clock.tick(901)
    assert [await login(number, "wrong") for number in range(50, 60)] == [401] * 10


async def test_a_stranger_called_enrolment_keeps_no_box_from_enrolling(served):
    for number in range(6):
        said = {"username": "enrolment", "password": f"wrong {number}"}
        status = (await served.client.post("/api/v1/auth/login", json=said)).status
    assert status == 429
    await served.box("box-a")
