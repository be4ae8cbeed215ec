"""Who may: the one session that a claim code was exchanged for; a write carries its token.

The cookies are not the box's own (``session``, ``csrf``): after the last step the same address is the box's.
"""

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from appliance.base.http_errors import HttpError
from provisioning.claim import Claim, Session, csrf_of

COOKIE, CSRF_COOKIE, CSRF_HEADER = "wizard", "wizard_csrf", "X-CSRF-Token"
AGE_S = 24 * 3600
CLAIM: web.AppKey[Claim] = web.AppKey("claim", Claim)
OPEN = frozenset({("GET", "/"), ("HEAD", "/"), ("POST", "/api/claim")})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A stranger is led to the claim page, whatever they asked for; a program is told so."""
    known = is_claimed(request)
    if not known and not _is_open(request):
        if request.path.startswith("/api/"):
            hint = "enter the code from the box's screen on its first page"
            what = "this telephone has not claimed the box"
            if lost_at(request):
                what, hint = "another telephone goes on with this box", "enter the code again to go on here"
            raise HttpError(401, "denied", what, hint)
        raise web.HTTPSeeOther("/")
    if known and request.method not in SAFE and request.path != "/api/claim":
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(
            sent.encode("utf-8", "replace"), csrf_of(request.cookies[COOKIE]).encode()
        ):
            raise HttpError(403, "denied", "this page is too old", "load it again")
    return await handler(request)


def is_claimed(request: web.Request) -> bool:
    token = request.cookies.get(COOKIE)
    return token is not None and request.app[CLAIM].holds(token)


def lost_at(request: web.Request) -> str | None:
    """When another telephone took over from this one, RFC 3339."""
    token = request.cookies.get(COOKIE)
    return None if token is None else request.app[CLAIM].lost_at(token)


def give(response: web.Response, session: Session) -> None:
    for name, value, hidden in ((COOKIE, session.token, True), (CSRF_COOKIE, session.csrf, False)):
        response.set_cookie(
            name, value, max_age=AGE_S, path="/", httponly=hidden, samesite="Strict", secure=True
        )


def address_of(request: web.Request) -> str:
    return request.remote or "local"


def _is_open(request: web.Request) -> bool:
    if request.path.startswith("/static/"):
        return request.method in (hdrs.METH_GET, hdrs.METH_HEAD)
    return (request.method, request.path) in OPEN
