"""Sign-in, CSRF, throttling, rotation, revocation."""

from typing import Any

import pytest

from appliance.store import sessions, users


async def test_login_gives_tokens_and_cookies(site: Any) -> None:
    response = await site.login("operator")
    body = await response.json()
    assert response.status == 200 and body["token_type"] == "Bearer" and body["expires_in"] == 900
    assert body["role"] == "operator" and body["must_change_password"] is False
    cookies = {c.split("=")[0]: c for c in response.headers.getall("Set-Cookie")}
    assert "HttpOnly" in cookies["session"] and "SameSite=Strict" in cookies["session"]
    assert "HttpOnly" not in cookies["csrf"] and "Secure" not in cookies["csrf"]  # plain loopback
    assert body["access_token"] not in cookies["session"]


async def test_secrets_are_stored_only_as_hashes(site: Any) -> None:
    response = await site.login("operator")
    body = await response.json()
    rows = await site.db.read(lambda c: [tuple(r) for r in c.execute("SELECT * FROM sessions").fetchall()])
    text = repr(rows)
    assert len(rows) == 3
    for secret in (body["access_token"], body["refresh_token"], response.cookies["session"].value):
        assert secret not in text


async def test_wrong_name_and_wrong_password_look_the_same(site: Any) -> None:
    one = await site.login("operator", "wrong wrong wrong")
    two = await site.login("nobody", "wrong wrong wrong")
    assert one.status == two.status == 401
    assert await one.json() == await two.json()


async def test_a_stranger_costs_a_hash_too(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    verify = site.box.passwords._matches
    monkeypatch.setattr(site.box.passwords, "_matches", lambda h, p: seen.append(h) or verify(h, p))
    await site.login("nobody", "wrong wrong wrong")
    await site.login("operator", "wrong wrong wrong")
    assert len(seen) == 2 and all(h.startswith("$argon2id$") for h in seen)


async def test_writes_with_the_cookie_need_the_csrf_token(site: Any) -> None:
    response = await site.login("installer")
    csrf = response.cookies["csrf"].value
    zone = {"camera_id": "gate", "name": "x", "kind": "line", "points": [[0, 0], [1, 1]]}
    post = site.client.post
    assert (await site.client.get("/api/v1/zones")).status == 200
    refused = await post("/api/v1/zones", json=zone)
    assert refused.status == 403 and "X-CSRF-Token" in (await refused.json())["error"]["message"]
    assert (await post("/api/v1/zones", json=zone, headers={"X-CSRF-Token": "é" + csrf})).status == 403
    assert (await post("/api/v1/zones", json=zone, headers={"X-CSRF-Token": csrf})).status == 201


async def test_five_failures_pause_the_name_and_only_it(site: Any) -> None:
    for _ in range(5):
        assert (await site.login("operator", "wrong wrong wrong")).status == 401
    paused = await site.login("OPERATOR")
    assert paused.status == 429 and 1 <= int(paused.headers["Retry-After"]) <= 60
    assert (await paused.json())["error"]["kind"] == "exhausted"
    assert (await site.login("viewer")).status == 200
    site.clock.tick(59)
    assert (await site.login("operator")).status == 429
    site.clock.tick(1.1)
    assert (await site.login("operator")).status == 200


async def test_a_success_forgives_and_parallel_guesses_count_one_by_one(site: Any) -> None:
    import asyncio

    for _ in range(4):
        await site.login("operator", "wrong wrong wrong")
    assert (await site.login("operator")).status == 200
    answers = await asyncio.gather(*(site.login("operator", "wrong wrong wrong") for _ in range(12)))
    assert sorted(a.status for a in answers) == [401] * 5 + [429] * 7


async def test_bearer_lives_15_minutes_and_the_cookie_slides(site: Any) -> None:
    headers = await site.bearer("viewer")
    assert (await site.client.get("/api/v1/cameras", headers=headers)).status == 200
    site.clock.tick(901)
    assert (await site.client.get("/api/v1/cameras", headers=headers)).status == 401
    await site.login("viewer")
    for _ in range(4):
        site.clock.tick(8 * 3600)
        assert (await site.client.get("/api/v1/cameras")).status == 200
    site.clock.tick(12 * 3600 + 1)
    assert (await site.client.get("/api/v1/cameras")).status == 401


async def test_refresh_rotates_and_a_replay_ends_the_family(site: Any) -> None:
    first = await (await site.login("viewer")).json()
    site.client.session.cookie_jar.clear()

    async def refresh(token: str) -> Any:
        return await site.client.post("/api/v1/auth/refresh", json={"refresh_token": token})

    second = await (await refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"] and second["role"] == "viewer"
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert (await site.client.get("/api/v1/cameras", headers=headers)).status == 200
    assert (await refresh(first["refresh_token"])).status == 401
    assert (await refresh(second["refresh_token"])).status == 401
    assert (await site.client.get("/api/v1/cameras", headers=headers)).status == 401


async def test_refresh_ends_after_7_days_and_with_the_user(site: Any) -> None:
    body = await (await site.login("viewer")).json()
    site.clock.tick(7 * 24 * 3600 + 1)
    used = await site.client.post("/api/v1/auth/refresh", json={"refresh_token": body["refresh_token"]})
    assert used.status == 401
    body = await (await site.login("viewer")).json()
    site.client.session.cookie_jar.clear()
    assert (await site.ask("PATCH", "/users/u-viewer", json={"disabled": True})).status == 200
    used = await site.client.post("/api/v1/auth/refresh", json={"refresh_token": body["refresh_token"]})
    assert used.status == 401 and (await site.login("viewer")).status == 401


async def test_logout_ends_cookie_and_bearer(site: Any) -> None:
    response = await site.login("viewer")
    token = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
    csrf = {"X-CSRF-Token": response.cookies["csrf"].value}
    assert (await site.client.post("/api/v1/auth/logout")).status == 403
    assert (await site.client.post("/api/v1/auth/logout", headers=csrf)).status == 200
    assert (await site.client.get("/api/v1/cameras", headers=token)).status == 401
    left = await site.db.read(lambda c: c.execute("SELECT count(*) FROM sessions").fetchone()[0])
    assert left == 0


async def test_a_one_time_password_is_good_for_nothing_but_its_replacement(site: Any) -> None:
    headers = await site.bearer("new")
    refused = await site.client.get("/api/v1/cameras", headers=headers)
    assert refused.status == 403 and "/auth/password" in (await refused.json())["error"]["hint"]
    assert (await site.client.get("/api/v1/auth/me", headers=headers)).status == 200

    async def change(current: str, new: str) -> Any:
        body = {"current_password": current, "new_password": new}
        return await site.client.post("/api/v1/auth/password", json=body, headers=headers)

    assert (await change("a horse in the rain", "short")).status == 400
    assert (await change("a horse in the rain", "a horse in the rain")).status == 400
    assert (await change("wrong wrong wrong", "a cat in the sunshine")).status == 403
    done = await change("a horse in the rain", "a cat in the sunshine")
    assert done.status == 200 and (await done.json())["user"]["must_change_password"] is False
    assert (await site.client.get("/api/v1/cameras", headers=headers)).status == 200
    assert (await site.login("new")).status == 401
    assert (await site.login("new", "a cat in the sunshine")).status == 200


async def test_a_new_password_ends_all_other_sign_ins(site: Any) -> None:
    other = await (await site.login("viewer")).json()
    site.client.session.cookie_jar.clear()
    body = {"current_password": "a horse in the rain", "new_password": "a cat in the sunshine"}
    assert (await site.ask("POST", "/auth/password", "viewer", json=body)).status == 200
    assert (await site.ask("GET", "/cameras", "viewer")).status == 200
    headers = {"Authorization": f"Bearer {other['access_token']}"}
    assert (await site.client.get("/api/v1/cameras", headers=headers)).status == 401


async def test_hashes_grow_with_their_parameters(site: Any) -> None:
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash("a horse in the rain")
    await site.db.write(lambda c: users.set_password(c, "u-viewer", old))
    assert (await site.login("viewer")).status == 200
    assert await site.db.read(lambda c: users.password_hash(c, "u-viewer")) != old
    assert (await site.login("viewer")).status == 200


async def test_sign_ins_and_refusals_are_audited_without_what_was_typed(site: Any) -> None:
    await site.login("viewer")
    await site.login("viewer", "wrong wrong wrong")
    await site.login("my secret password", "wrong wrong wrong")
    site.client.session.cookie_jar.clear()
    rows = (await (await site.ask("GET", "/audit")).json())["audit"]
    found = [(row["action"], row["thing"]) for row in rows[::-1]]
    assert found[:3] == [("signed_in", "user/viewer"), ("refused", "user/viewer"), ("refused", "user")]
    assert "secret" not in str(rows) and "wrong" not in str(rows)


async def test_expired_sessions_are_forgotten(site: Any) -> None:
    await site.login("viewer")
    site.clock.tick(8 * 24 * 3600)
    await site.login("viewer")
    assert await site.db.read(lambda c: c.execute("SELECT count(*) FROM sessions").fetchone()[0]) == 3
    assert await site.db.write(lambda c: sessions.prune(c, 1 << 62)) == 3


@pytest.mark.parametrize(
    "value", ["Basic dTpw", "Bearer", "Bearer \udcff", "Bearer " + "x" * 4000, "Negotiate x"]
)
async def test_odd_authorization_headers_are_401(site: Any, value: str) -> None:
    value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    response = await site.client.get("/api/v1/cameras", headers={"Authorization": value})
    assert response.status == 401


async def test_pages_send_strangers_to_sign_in(site: Any) -> None:
    response = await site.client.get("/events?severity=critical", allow_redirects=False)
    assert response.status == 303 and response.headers["Location"].startswith("/login?next=/events")
