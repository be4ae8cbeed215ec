"""/codes, /sites, /users, /audit: what admins do."""

import zoneinfo
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.ids import free_slug, uuid7
from appliance.base.password_strength import check_strength
from appliance.base.wire import time_or_none
from appliance.hub.box_api.enrol import code_hash, new_code
from appliance.hub.people import names
from appliance.hub.people.routes import API, ID, Call, Route, answer, nothing
from appliance.hub.people.signin import Password, person_json
from appliance.hub.store import audit, codes, sessions, sites, users
from appliance.hub.store.codes import Code
from appliance.hub.store.sites import Site
from appliance.hub.store.steps import Steps, lock
from appliance.hub.store.users import Person, Role
from appliance.sync.protocol.upload import Hex
from appliance.web.params import PLAIN, Name

MOST_CODES = 200
Hours = Annotated[float, msgspec.Meta(gt=0, le=24 * 366)]
SiteIds = Annotated[list[Name], msgspec.Meta(max_length=1_000)]


class CodeBody(msgspec.Struct, forbid_unknown_fields=True):
    """``fingerprint``: SHA-256, hex, of the one identity key that may use it."""

    name: Annotated[str, msgspec.Meta(max_length=100, pattern=PLAIN)] = ""
    site_id: str | None = None
    hours: Hours = 24.0
    fingerprint: Hex | None = None


class SiteBody(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    time_zone: Name = "Etc/UTC"
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None


class UserBody(msgspec.Struct, forbid_unknown_fields=True):
    username: Name
    password: Password
    role: Role
    site_ids: SiteIds | None = None


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays. ``password``: for one sign-in."""

    role: Role | None = None
    site_ids: SiteIds | msgspec.UnsetType | None = msgspec.UNSET
    disabled: bool | None = None
    password: Password | None = None


def code_json(code: Code, now_ns: int) -> dict[str, Any]:
    if code.used_ns is not None:
        state = "used"
    elif code.revoked_ns is not None:
        state = "revoked"
    else:
        state = "expired" if code.expires_ns <= now_ns else "open"
    return {
        "id": code.id,
        "state": state,
        "name": code.name,
        "site_id": code.site_id,
        "fingerprint": code.fingerprint or None,
        "created_by": code.created_by,
        "created_at": rfc3339(code.created_ns),
        "expires_at": rfc3339(code.expires_ns),
        "used_at": time_or_none(code.used_ns),
        "used_by": code.used_by,
    }


async def all_codes(call: Call) -> web.StreamResponse:
    found = await call.hub.store.read(lambda: codes.newest(MOST_CODES))
    return answer({"codes": [code_json(code, call.now_ns) for code in found]})


async def add_code(call: Call) -> web.StreamResponse:
    """The text is in this answer, and never again."""
    body, now_ns, text = await call.body(CodeBody), call.now_ns, new_code()
    made = Code(
        uuid7(now_ns), body.name, body.site_id, body.fingerprint or "", call.person.username, now_ns,
        now_ns + round(body.hours * 3600 * SECOND_NS),
    )  # fmt: skip

    def work() -> Steps[bool]:
        if body.site_id is not None and body.site_id not in (yield from sites.ids()):
            return False
        yield from codes.add(made, code_hash(text))
        yield from call.audit("changed", f"code/{made.id}", {"what": "made", "site_id": body.site_id})
        return True

    if not await call.hub.store.write(work):
        raise invalid("there is no such site", "make it first", field="site_id")
    return answer({"code": {**code_json(made, now_ns), "text": text}}, 201)


async def revoke_code(call: Call) -> web.StreamResponse:
    code_id, now_ns = call.name("id"), call.now_ns

    def work() -> Steps[bool]:
        done = yield from codes.revoke(code_id, now_ns)
        yield from call.audit("changed", f"code/{code_id}", {"what": "revoked"})
        return done

    if not await call.hub.store.write(work):
        raise not_found("open code", code_id)
    return nothing()


async def all_sites(call: Call) -> web.StreamResponse:
    found = await call.hub.store.read(lambda: sites.seen_by(call.person.id))
    return answer({"sites": [_site_json(site) for site in found]})


async def add_site(call: Call) -> web.StreamResponse:
    body, now_ns = await call.body(SiteBody), call.now_ns
    _check_zone(body)

    def work() -> Steps[Site]:
        taken = yield from sites.ids()
        made = Site(
            free_slug(body.name, taken), body.name, body.time_zone, body.latitude, body.longitude, now_ns
        )
        yield from sites.put(made)
        yield from call.audit("changed", f"site/{made.id}", {"what": "made"})
        return made

    return answer({"site": _site_json(await call.hub.store.write(work))}, 201)


async def put_site(call: Call) -> web.StreamResponse:
    body, site_id = await call.body(SiteBody), call.name("id")
    _check_zone(body)
    site = Site(site_id, body.name, body.time_zone, body.latitude, body.longitude, call.now_ns)

    def work() -> Steps[bool]:
        if site_id not in (yield from sites.ids()):
            return False
        yield from sites.put(site)
        yield from call.audit("changed", f"site/{site_id}")
        return True

    if not await call.hub.store.write(work):
        raise not_found("site", site_id)
    return answer({"site": _site_json(site)})


async def delete_site(call: Call) -> web.StreamResponse:
    site_id = call.name("id")

    def work() -> Steps[bool]:
        done = yield from sites.delete(site_id)
        yield from call.audit("changed", f"site/{site_id}", {"what": "deleted"})
        return done

    if not await call.hub.store.write(work):
        raise not_found("site", site_id)
    return nothing()


async def all_users(call: Call) -> web.StreamResponse:
    found = await call.hub.store.read(users.listed_users)
    return answer({"users": [person_json(person) for person in found]})


async def add_user(call: Call) -> web.StreamResponse:
    """The password is for one sign-in."""
    body, now_ns = await call.body(UserBody), call.now_ns
    names.checked(body.username)
    check_strength(body.password, body.username, "password")
    hashed = await call.hub.passwords.hash(body.password)
    site_ids = None if body.site_ids is None else tuple(body.site_ids)
    person = Person(uuid7(now_ns), body.username, body.role, site_ids, True, False, now_ns)

    def work() -> Steps[Person | None]:
        yield from users.put(person, hashed)
        yield from call.audit("changed", f"user/{person.username}", {"what": "made", "role": person.role})
        return (yield from users.get(person.id))

    try:
        made = await call.hub.store.write(work)
    except ApplianceError as error:
        if error.kind != "conflict":
            raise
        raise ApplianceError("conflict", "this name is taken", "choose another", field="username") from None
    return answer({"user": person_json(made or person)}, 201)


async def change_user(call: Call) -> web.StreamResponse:
    user_id, body = call.name("id"), await call.body(UserChange)
    hashed = None
    if body.password is not None:
        check_strength(body.password, "", "password")
        hashed = await call.hub.passwords.hash(body.password)

    def work() -> Steps[Person | None]:
        old = yield from users.get(user_id)
        if old is None:
            return None
        sites_now = old.site_ids
        if body.site_ids is not msgspec.UNSET:
            sites_now = None if body.site_ids is None else tuple(body.site_ids)
        disabled = old.disabled if body.disabled is None else body.disabled
        changed = msgspec.structs.replace(
            old, role=body.role or old.role, site_ids=sites_now, disabled=disabled
        )
        yield from users.change(changed)
        if hashed is not None:
            yield from users.set_password(user_id, hashed, must_change=True)
        if hashed is not None or disabled:
            yield from sessions.revoke_user(user_id)
        yield from _somebody_must_stay()
        yield from call.audit("changed", f"user/{old.username}", {"role": changed.role})
        return (yield from users.get(user_id))

    changed = await call.hub.store.write(work)
    if changed is None:
        raise not_found("user", user_id)
    return answer({"user": person_json(changed)})


async def delete_user(call: Call) -> web.StreamResponse:
    user_id = call.name("id")

    def work() -> Steps[bool]:
        done = yield from users.delete(user_id)
        yield from _somebody_must_stay()
        yield from call.audit("changed", f"user/{user_id}", {"what": "deleted"})
        return done

    if not await call.hub.store.write(work):
        raise not_found("user", user_id)
    return nothing()


async def all_audit(call: Call) -> web.StreamResponse:
    limit, cursor = call.page
    rows, more = await call.hub.store.read(lambda: audit.page(limit, cursor))
    found = [
        {"time": rfc3339(row.time_ns), "username": row.username, "action": row.action, "thing": row.thing,
         "detail": row.detail}
        for row in rows
    ]  # fmt: skip
    return answer({"audit": found, "next_cursor": more})


def _somebody_must_stay() -> Steps[None]:
    """Raises ``conflict``, which undoes the transaction, where nobody could administer any more."""
    yield from lock("admins")  # two admins, each taking the other's role away
    if (yield from users.admin_count()) == 0:
        raise ApplianceError("conflict", "this is the last admin of all sites", "make another one first")


def _check_zone(body: SiteBody) -> None:
    if body.time_zone not in zoneinfo.available_timezones():
        raise invalid("there is no such time zone", "write it as Europe/Berlin", field="time_zone")


def _site_json(site: Site) -> dict[str, Any]:
    return {
        "id": site.id,
        "name": site.name,
        "time_zone": site.time_zone,
        "latitude": site.latitude,
        "longitude": site.longitude,
    }


ROUTES = (
    Route("GET", f"{API}/codes", "admin", all_codes, all_sites=True),
    Route("POST", f"{API}/codes", "admin", add_code, all_sites=True),
    Route("DELETE", f"{API}/codes/{ID}", "admin", revoke_code, all_sites=True),
    Route("GET", f"{API}/sites", "viewer", all_sites),
    Route("POST", f"{API}/sites", "admin", add_site, all_sites=True),
    Route("PUT", f"{API}/sites/{ID}", "admin", put_site, all_sites=True),
    Route("DELETE", f"{API}/sites/{ID}", "admin", delete_site, all_sites=True),
    Route("GET", f"{API}/users", "admin", all_users, all_sites=True),
    Route("POST", f"{API}/users", "admin", add_user, all_sites=True),
    Route("PATCH", f"{API}/users/{ID}", "admin", change_user, all_sites=True),
    Route("DELETE", f"{API}/users/{ID}", "admin", delete_user, all_sites=True),
    Route("GET", f"{API}/audit", "admin", all_audit, all_sites=True),
)
