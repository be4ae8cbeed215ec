"""Who asks: a bearer token or the session cookie; with the cookie, writes carry the CSRF token.

The cookie is HttpOnly and SameSite=Strict (and Secure over TLS); the CSRF token lies in a cookie
that scripts can read and comes back in ``X-CSRF-Token``, which no foreign page can send.
"""

import hmac
import ipaddress
from urllib.parse import urlsplit

from aiohttp import web

from appliance.base.model import User
from appliance.store.sessions import SessionKind
from appliance.web.box import BOX
from appliance.web.errors import denied, not_signed_in
from appliance.web.people import sessions
from appliance.web.people.sessions import Tokens, Who

SESSION_COOKIE = "session"
CSRF_COOKIE = "csrf"
CSRF_HEADER = "X-CSRF-Token"
# The box ends a cookie session after 12 h of silence. The browser's copy lasts longer, because a
# wall that only holds sockets open slides on the box without a response that could renew it.
COOKIE_MAX_AGE_S = 7 * 24 * 3600
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

WHO: web.RequestKey[Who] = web.RequestKey("who", Who)


async def required(request: web.Request) -> Who:
    """Who asks; raises 401, or 403 where a write lacks the CSRF token."""
    who = await optional(request)
    if who is None:
        raise not_signed_in()
    return who


async def optional(request: web.Request) -> Who | None:
    """Like ``required``, but None for a stranger."""
    found = _token(request)
    if found is None:
        return None
    kind, token = found
    box = request.app[BOX]
    now_ns = box.clock.now_ns()
    who = await box.db.read(lambda conn: sessions.identify(conn, kind, token, now_ns))
    if who is None:
        return None
    if kind == "cookie":
        if request.method not in SAFE_METHODS:
            _check_csrf(request, who)
        if sessions.due_to_slide(who.session, now_ns):
            session = who.session
            await box.db.write(lambda conn: sessions.slide(conn, session, now_ns))
    request[WHO] = who
    return who


async def page_user(request: web.Request, *, with_old_password: bool = False) -> User:
    """For pages: the person, or a redirect to ``/login`` (to ``/password`` where it must be new)."""
    who = await optional(request)
    if who is None:
        raise web.HTTPSeeOther(f"/login?next={_quoted(request)}")
    if who.user.must_change_password and not with_old_password:
        raise web.HTTPSeeOther("/password")
    return who.user


def csrf_token(request: web.Request) -> str:
    """For pages, after ``page_user``: what their scripts send in ``X-CSRF-Token``."""
    who = request.get(WHO)
    return "" if who is None else who.session.csrf or ""


def set_cookies(request: web.Request, response: web.Response, tokens: Tokens) -> None:
    for name, value, hidden in ((SESSION_COOKIE, tokens.cookie, True), (CSRF_COOKIE, tokens.csrf, False)):
        response.set_cookie(
            name,
            value or "",
            max_age=COOKIE_MAX_AGE_S,
            path="/",
            httponly=hidden,
            samesite="Strict",
            secure=request.secure,
        )


def drop_cookies(request: web.Request, response: web.Response) -> None:
    for name in (SESSION_COOKIE, CSRF_COOKIE):
        response.del_cookie(name, path="/", samesite="Strict", secure=request.secure)


def address_of(request: web.Request) -> str:
    """The peer; ``local`` where the server listens on a Unix socket."""
    return request.remote or "local"


def from_loopback(request: web.Request) -> bool:
    """The peer is this machine itself, and is not passing on somebody else's words."""
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP")):
        return False
    try:
        return ipaddress.ip_address((request.remote or "").split("%")[0]).is_loopback
    except ValueError:
        return False


def check_origin(request: web.Request) -> None:
    """WebSockets know no CSRF token: a page of another site is told by its Origin (RFC 6455, 10.2)."""
    origin = request.headers.get("Origin")
    if origin is None:
        return  # not a browser
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != request.host.lower():
        raise denied("this page belongs to another site", "open the box's own address")


def _token(request: web.Request) -> tuple[SessionKind, str] | None:
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        return ("bearer", token.strip()) if scheme.lower() == "bearer" else None
    cookie = request.cookies.get(SESSION_COOKIE)
    return ("cookie", cookie) if cookie else None


def _check_csrf(request: web.Request, who: Who) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), (who.session.csrf or "?").encode()):
        raise denied(
            f"the header {CSRF_HEADER} is missing or old",
            f"send the value of the cookie {CSRF_COOKIE} in it, or sign in again",
        )


def _quoted(request: web.Request) -> str:
    # Only our own paths, and never "//host" or "/\\host", which browsers take for another site.
    path = request.rel_url.raw_path_qs
    return "/" if path.startswith(("//", "/\\")) or not path.startswith("/") else _escape(path)


def _escape(path: str) -> str:
    return path.replace("%", "%25").replace("&", "%26").replace("#", "%23").replace("+", "%2B")
