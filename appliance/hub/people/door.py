"""Who asks: a bearer token or the session cookie; with the cookie, writes carry the CSRF token.

As on the box (``appliance.web.people.auth``), on the hub's own tables: the cookie is HttpOnly and
SameSite=Strict; the CSRF token lies in a cookie that scripts can read and comes back in ``X-CSRF-Token``.
"""

import hmac
import secrets
from dataclasses import dataclass

from aiohttp import web

from appliance.base.clock import SECOND_NS
from appliance.base.ids import uuid7
from appliance.hub.box_api.door import token_hash
from appliance.hub.hub import HUB
from appliance.hub.store import sessions
from appliance.hub.store.sessions import Session, SessionKind
from appliance.hub.store.steps import Steps
from appliance.hub.store.users import Person
from appliance.web.errors import denied, not_signed_in

SESSION_COOKIE, CSRF_COOKIE, CSRF_HEADER = "hub_session", "hub_csrf", "X-CSRF-Token"
COOKIE_NS = 12 * 3600 * SECOND_NS
BEARER_NS = 3600 * SECOND_NS
SLIDE_EVERY_NS = 300 * SECOND_NS
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Who:
    person: Person
    session: Session


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """Secrets, on their way out; never stored, never logged."""

    access: str
    cookie: str
    csrf: str


def sign_in(person: Person, now_ns: int, address: str) -> Steps[Tokens]:
    """A cookie that slides over 12 h and a bearer token of an hour, one family."""
    tokens = Tokens(*(secrets.token_urlsafe(32) for _ in range(3)))
    family = uuid7(now_ns)
    for kind, token, csrf, life_ns in (
        ("cookie", tokens.cookie, tokens.csrf, COOKIE_NS),
        ("bearer", tokens.access, "", BEARER_NS),
    ):
        made = Session(
            uuid7(now_ns), person.id, _kind(kind), token_hash(token), csrf, family, now_ns, now_ns + life_ns,
            address,
        )  # fmt: skip
        yield from sessions.add(made)
    return tokens


async def optional(request: web.Request) -> Who | None:
    """None for a stranger. Raises 403 where a write with the cookie lacks the CSRF token."""
    kind, token = _token(request)
    if not token:
        return None
    hub = request.app[HUB]
    now_ns = hub.clock.now_ns()
    found = await hub.store.read(lambda: sessions.find(kind, token_hash(token), now_ns))
    if found is None:
        return None
    who = Who(*found)
    if kind == "cookie":
        if request.method not in SAFE_METHODS:
            _check_csrf(request, who)
        expires_ns = now_ns + COOKIE_NS
        if expires_ns - who.session.expires_ns > SLIDE_EVERY_NS:
            await hub.store.write(lambda: sessions.extend(who.session.id, expires_ns))
    return who


async def required(request: web.Request) -> Who:
    """Raises 401 for a stranger."""
    who = await optional(request)
    if who is None:
        raise not_signed_in()
    return who


def set_cookies(request: web.Request, response: web.Response, tokens: Tokens) -> None:
    for name, value, hidden in ((SESSION_COOKIE, tokens.cookie, True), (CSRF_COOKIE, tokens.csrf, False)):
        response.set_cookie(
            name,
            value,
            max_age=COOKIE_NS // SECOND_NS,
            path="/",
            httponly=hidden,
            samesite="Strict",
            secure=request.secure,
        )


def drop_cookies(request: web.Request, response: web.Response) -> None:
    for name in (SESSION_COOKIE, CSRF_COOKIE):
        response.del_cookie(name, path="/", samesite="Strict", secure=request.secure)


def _kind(text: str) -> SessionKind:
    return "cookie" if text == "cookie" else "bearer"


def _token(request: web.Request) -> tuple[SessionKind, str]:
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        return "bearer", token.strip() if scheme.lower() == "bearer" else ""
    return "cookie", request.cookies.get(SESSION_COOKIE, "")


def _check_csrf(request: web.Request, who: Who) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), who.session.csrf.encode()):
        raise denied(
            f"the header {CSRF_HEADER} is missing or old",
            f"send the value of the cookie {CSRF_COOKIE} in it, or sign in again",
        )
