"""/auth: sign in, rotate, sign out, set one's own password."""

import sqlite3
import unicodedata
from typing import Annotated

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.base.http_errors import HttpError
from appliance.base.model import User
from appliance.base.password_strength import LONGEST, check_strength
from appliance.store import audit, sessions, users
from appliance.web.errors import denied
from appliance.web.params import Name
from appliance.web.people import sessions as sign_ins
from appliance.web.people.auth import address_of, drop_cookies, set_cookies
from appliance.web.people.sessions import Tokens
from appliance.web.people.throttle import Throttle
from appliance.web.people.users import user_json
from appliance.web.routes import Call, Route, answer
from appliance.web.shapes import Empty, TokenAnswer, UserAnswer

Password = Annotated[str, msgspec.Meta(max_length=LONGEST)]
THROTTLE: web.AppKey[Throttle] = web.AppKey("throttle", Throttle)


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    username: Name
    password: Password


class RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    refresh_token: Annotated[str, msgspec.Meta(max_length=200)]


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True):
    current_password: Password
    new_password: Password


async def login(call: Call) -> web.StreamResponse:
    """Wrong name and wrong password look, and last, the same."""
    body = await call.body(LoginBody)
    username = unicodedata.normalize("NFC", body.username)
    address = address_of(call.request)
    throttle = call.request.app[THROTTLE]
    async with throttle.attempt(address, username):
        user = await _checked(call, username, body.password)
        if user is None:
            throttle.failed(address, username)
            await call.box.db.write(lambda conn: _note_refusal(conn, call.now_ns, username, address))
            raise HttpError(401, "denied", "wrong user name or password", "try again, or ask an admin")
        throttle.succeeded(address, username)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> Tokens:
        audit.add(conn, now_ns, user, "signed_in", f"user/{user.username}", {"address": address})
        return sign_ins.sign_in(conn, user, now_ns, address)

    tokens = await call.box.db.write(work)
    response = answer(_token_json(tokens))
    set_cookies(call.request, response, tokens)
    return response


async def refresh(call: Call) -> web.StreamResponse:
    body = await call.body(RefreshBody)
    now_ns, address = call.now_ns, address_of(call.request)
    tokens = await call.box.db.write(lambda conn: sign_ins.rotate(conn, body.refresh_token, now_ns, address))
    if tokens is None:
        raise HttpError(401, "denied", "this refresh token is used, revoked or too old", "sign in again")
    return answer(_token_json(tokens))


async def logout(call: Call) -> web.StreamResponse:
    """Ends this sign-in: its cookie, its bearer and its refresh tokens."""
    if call.who is not None:
        family = call.who.session.family
        await call.box.db.write(lambda conn: sessions.revoke_family(conn, family))
    response = answer({})
    drop_cookies(call.request, response)
    return response


async def me(call: Call) -> web.StreamResponse:
    return answer({"user": user_json(call.user)})


async def set_password(call: Call) -> web.StreamResponse:
    """One's own; every other sign-in of this person ends."""
    body = await call.body(PasswordBody)
    user, address = call.user, address_of(call.request)
    throttle = call.request.app[THROTTLE]
    async with throttle.attempt(address, user.username):
        if await _checked(call, user.username, body.current_password) is None:
            throttle.failed(address, user.username)
            raise denied("the current password is wrong", "try again, or ask an admin to set a new one")
    check_strength(body.new_password, user.username, "new_password")
    if body.new_password == body.current_password:
        raise ApplianceError(
            "invalid", "this is the old password", "choose another one", field="new_password"
        )
    hashed = await call.box.passwords.hash(body.new_password)
    family = call.who.session.family if call.who else None
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> User | None:
        users.set_password(conn, user.id, hashed)
        sessions.revoke_user(conn, user.id, but_family=family)
        audit.add(conn, now_ns, user, "changed", f"user/{user.username}", {"changed": ["password"]})
        return users.get(conn, user.id)

    changed = await call.box.db.write(work)
    return answer({"user": user_json(changed or user)})


async def _checked(call: Call, username: str, password: str) -> User | None:
    def look(conn: sqlite3.Connection) -> tuple[User | None, str | None]:
        user = users.by_name(conn, username)
        return user, users.password_hash(conn, user.id) if user and not user.disabled else None

    user, hashed = await call.box.db.read(look)
    passwords = call.box.passwords
    if not await passwords.verify(hashed, password) or user is None or hashed is None:
        return None
    if passwords.outdated(hashed):
        fresh = await passwords.hash(password)
        id_, must_change = user.id, user.must_change_password
        await call.box.db.write(lambda c: users.set_password(c, id_, fresh, must_change=must_change))
    return user


def _note_refusal(conn: sqlite3.Connection, now_ns: int, username: str, address: str) -> None:
    # People type passwords into the wrong field: a name that nobody has is not written down.
    known = users.by_name(conn, username)
    thing = f"user/{known.username}" if known else "user"
    audit.add(conn, now_ns, None, "refused", thing, {"address": address})


def _token_json(tokens: Tokens) -> dict[str, object]:
    return {
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": tokens.refresh,
        "role": tokens.user.role,
        "must_change_password": tokens.user.must_change_password,
    }


ROUTES = (
    Route("POST", "/api/v1/auth/login", None, login, "Sign in", TokenAnswer, LoginBody, also=(401,)),
    Route("POST", "/api/v1/auth/refresh", None, refresh, "Rotate the tokens", TokenAnswer, RefreshBody),
    Route("POST", "/api/v1/auth/logout", "viewer", logout, "Sign out", Empty, with_old_password=True),
    Route("GET", "/api/v1/auth/me", "viewer", me, "Who am I", UserAnswer, with_old_password=True),
    Route(
        "POST",
        "/api/v1/auth/password",
        "viewer",
        set_password,
        "Set one's own password",
        UserAnswer,
        PasswordBody,
        with_old_password=True,
    ),
)
