"""/auth: sign in, sign out, set one's own password."""

import unicodedata
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.base.errors import invalid
from appliance.base.http_errors import HttpError
from appliance.base.password_strength import LONGEST, check_strength
from appliance.hub.box_api.door import address_of
from appliance.hub.people.door import BEARER_NS, Tokens, drop_cookies, set_cookies, sign_in
from appliance.hub.people.routes import API, Call, Route, answer
from appliance.hub.store import audit, sessions, users
from appliance.hub.store.steps import Steps
from appliance.hub.store.users import Person
from appliance.hub.throttling import NAMES, THROTTLE
from appliance.web.errors import denied
from appliance.web.params import Name

Password = Annotated[str, msgspec.Meta(max_length=LONGEST)]


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    username: Name
    password: Password


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True):
    current_password: Password
    new_password: Password


def person_json(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "username": person.username,
        "role": person.role,
        "site_ids": person.site_ids,
        "must_change_password": person.must_change_password,
        "disabled": person.disabled,
    }


async def login(call: Call) -> web.StreamResponse:
    """Wrong name and wrong password look, and last, the same."""
    body = await call.body(LoginBody)
    username = unicodedata.normalize("NFC", body.username)
    address, throttle, now_ns = address_of(call.request), call.request.app[THROTTLE], call.now_ns
    names = call.request.app[NAMES]
    async with throttle.attempt(address, username):
        names.attempt(address, username)
        person = await _checked(call, username, body.password)
        if person is None:
            throttle.failed(address, username)
            names.failed(username)
            # People type passwords into the wrong field: no name is written down.
            await call.hub.store.write(
                lambda: audit.add(now_ns, None, None, "refused", "user", {"address": address})
            )
            raise HttpError(401, "denied", "wrong user name or password", "try again, or ask an admin")
        throttle.succeeded(address, username)
        names.succeeded(address, username)
    known = person

    def work() -> Steps[Tokens]:
        yield from audit.add(
            now_ns, known.id, known.username, "signed_in", f"user/{known.username}", {"address": address}
        )
        return (yield from sign_in(known, now_ns, address))

    tokens = await call.hub.store.write(work)
    response = answer(
        {
            "access_token": tokens.access,
            "token_type": "Bearer",
            "expires_in": BEARER_NS // 1_000_000_000,
            "role": known.role,
            "must_change_password": known.must_change_password,
        }
    )
    set_cookies(call.request, response, tokens)
    return response


async def logout(call: Call) -> web.StreamResponse:
    if call.who is not None:
        family = call.who.session.family
        await call.hub.store.write(lambda: sessions.revoke_family(family))
    response = answer({})
    drop_cookies(call.request, response)
    return response


async def me(call: Call) -> web.StreamResponse:
    return answer({"user": person_json(call.person)})


async def set_password(call: Call) -> web.StreamResponse:
    """One's own; every other sign-in of this person ends."""
    body = await call.body(PasswordBody)
    person, address, throttle = call.person, address_of(call.request), call.request.app[THROTTLE]
    async with throttle.attempt(address, person.username):
        if await _checked(call, person.username, body.current_password) is None:
            throttle.failed(address, person.username)
            raise denied("the current password is wrong", "try again, or ask an admin to set a new one")
    check_strength(body.new_password, person.username, "new_password")
    if body.new_password == body.current_password:
        raise invalid("this is the old password", "choose another one", field="new_password")
    hashed = await call.hub.passwords.hash(body.new_password)
    family = call.who.session.family if call.who else ""

    def work() -> Steps[Person | None]:
        yield from users.set_password(person.id, hashed, must_change=False)
        yield from sessions.revoke_user(person.id, but_family=family)
        yield from call.audit("changed", f"user/{person.username}", {"changed": ["password"]})
        return (yield from users.get(person.id))

    changed = await call.hub.store.write(work)
    return answer({"user": person_json(changed or person)})


async def _checked(call: Call, username: str, password: str) -> Person | None:
    def look() -> Steps[tuple[Person | None, str | None]]:
        person = yield from users.by_name(username)
        if person is None or person.disabled:
            return None, None
        return person, (yield from users.password_hash(person.id))

    person, hashed = await call.hub.store.read(look)
    return person if await call.hub.passwords.verify(hashed, password) else None


ROUTES = (
    Route("POST", f"{API}/auth/login", None, login),
    Route("POST", f"{API}/auth/logout", "viewer", logout, with_old_password=True),
    Route("GET", f"{API}/auth/me", "viewer", me, with_old_password=True),
    Route("POST", f"{API}/auth/password", "viewer", set_password, with_old_password=True),
)
