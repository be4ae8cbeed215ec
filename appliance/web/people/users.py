"""/users: who may sign in, as what, and which cameras they see."""

import sqlite3
import unicodedata
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.ids import uuid7
from appliance.base.model import Role, User
from appliance.base.password_strength import LONGEST, check_strength
from appliance.store import audit, cameras, sessions, users
from appliance.web.params import Id, Name
from appliance.web.people.access import must_see_all
from appliance.web.routes import Call, Route, answer, nothing
from appliance.web.shapes import UserAnswer, UsersAnswer

Password = Annotated[str, msgspec.Meta(max_length=LONGEST)]
CameraIds = Annotated[tuple[Id, ...], msgspec.Meta(max_length=1000)]


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """``must_change_password``: this one is good for one sign-in, then they choose their own."""

    username: Name
    password: Password
    role: Role
    camera_ids: CameraIds | None = None
    must_change_password: bool = False


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays."""

    username: Name | msgspec.UnsetType = msgspec.UNSET
    password: Password | msgspec.UnsetType = msgspec.UNSET
    role: Role | msgspec.UnsetType = msgspec.UNSET
    camera_ids: CameraIds | msgspec.UnsetType | None = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET
    must_change_password: bool | msgspec.UnsetType = msgspec.UNSET


def user_json(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "role": user.role,
        "camera_ids": None if user.camera_ids is None else list(user.camera_ids),
        "must_change_password": user.must_change_password,
        "disabled": user.disabled,
        "created_at": rfc3339(user.created_ns),
    }


async def list_users(call: Call) -> web.StreamResponse:
    return answer({"users": [user_json(user) for user in await call.box.db.read(users.list_users)]})


async def add(call: Call) -> web.StreamResponse:
    must_see_all(call.user)
    body = await call.body(NewUser)
    username = clean_name(body.username)
    check_strength(body.password, username, "password")
    now_ns = call.now_ns
    user = User(
        id=uuid7(now_ns),
        username=username,
        role=body.role,
        camera_ids=body.camera_ids,
        must_change_password=body.must_change_password,
        created_ns=now_ns,
    )
    hashed = await call.box.passwords.hash(body.password)

    def work(conn: sqlite3.Connection) -> None:
        _check(conn, user)
        users.insert(conn, user, hashed)
        audit.add(conn, now_ns, call.user, "changed", f"user/{username}", {"added": user.role})

    await call.box.db.write(work)
    return answer({"user": user_json(user)}, 201)


async def change(call: Call) -> web.StreamResponse:
    must_see_all(call.user)
    body = await call.body(UserChange)
    before = await _existing(call)
    given = {
        name: value
        for name in ("username", "role", "camera_ids", "disabled", "must_change_password")
        if (value := getattr(body, name)) is not msgspec.UNSET
    }
    if "username" in given:
        given["username"] = clean_name(given["username"])
    hashed = None
    if isinstance(body.password, str):
        check_strength(body.password, str(given.get("username", before.username)), "password")
        hashed = await call.box.passwords.hash(body.password)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> User:
        current = users.get(conn, before.id)
        if current is None:
            raise not_found("user", before.id)
        after = msgspec.structs.replace(current, **given)
        _check(conn, after)
        users.update(conn, after)
        _keep_an_admin(conn)
        if hashed is not None:
            users.set_password(conn, after.id, hashed, must_change=after.must_change_password)
        if hashed is not None or after.disabled:
            own = call.who.session.family if call.who and after.id == call.user.id else None
            sessions.revoke_user(conn, after.id, but_family=None if after.disabled else own)
        changed = [*given, *(["password"] if hashed is not None else [])]
        audit.add(conn, now_ns, call.user, "changed", f"user/{after.username}", {"changed": changed})
        return after

    return answer({"user": user_json(await call.box.db.write(work))})


async def remove(call: Call) -> web.StreamResponse:
    must_see_all(call.user)
    user = await _existing(call)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        users.delete(conn, user.id)
        _keep_an_admin(conn)
        audit.add(conn, now_ns, call.user, "changed", f"user/{user.username}", {"removed": True})

    await call.box.db.write(work)
    return nothing()


async def _existing(call: Call) -> User:
    id_ = call.name("id")
    user = await call.box.db.read(lambda conn: users.get(conn, id_))
    if user is None:
        raise not_found("user", id_)
    return user


def clean_name(username: str, field: str = "username") -> str:
    """As it is stored. Raises ``invalid`` where nobody could type it again."""
    clean = unicodedata.normalize("NFC", username)
    if clean != clean.strip():
        raise invalid("a user name has no blanks around it", "take them away", field=field)
    if not clean.isprintable():
        raise invalid("a user name has no characters that cannot be seen", "type it anew", field=field)
    return clean


def _check(conn: sqlite3.Connection, user: User) -> None:
    if user.role == "admin" and user.camera_ids is not None:
        raise invalid(
            "an admin sees all cameras",
            "let them see all cameras, or choose a lower role",
            field="camera_ids",
        )
    unknown = sorted(set(user.camera_ids or ()) - cameras.taken_ids(conn))
    if unknown:
        raise invalid(
            f"there is no camera {unknown[0]!r}", "list the cameras to see their ids", field="camera_ids"
        )
    other = users.by_name(conn, user.username)
    if other is not None and other.id != user.id:
        raise ApplianceError(
            "conflict", f"there is a user {other.username!r} already", "choose another name", field="username"
        )


def _keep_an_admin(conn: sqlite3.Connection) -> None:
    if users.admin_count(conn) == 0:
        raise ApplianceError(
            "conflict", "this is the last admin who can sign in", "make somebody else an admin first"
        )


_ONE = "/api/v1/users/{id:[A-Za-z0-9-]{1,64}}"
ROUTES = (
    Route("GET", "/api/v1/users", "admin", list_users, "All users", UsersAnswer),
    Route("POST", "/api/v1/users", "admin", add, "Add a user", UserAnswer, NewUser, status=201, also=(409,)),
    Route("PATCH", _ONE, "admin", change, "Change a user", UserAnswer, UserChange, also=(409,)),
    Route("DELETE", _ONE, "admin", remove, "Remove a user", status=204, also=(409,)),
)
