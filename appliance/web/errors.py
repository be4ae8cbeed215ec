"""``ApplianceError`` kind -> HTTP status; every error in one shape; no traceback ever leaves."""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError, Kind, invalid
from appliance.base.http_errors import STATUS, HttpError

log = logging.getLogger(__name__)

LONGEST_PATH = 200  # in the log

_FOREIGN: dict[int, tuple[Kind, str, str]] = {
    401: ("denied", "you are not signed in", "sign in again"),
    403: ("denied", "this is not allowed", ""),
    404: ("not_found", "there is nothing at this address", "see /api/v1/openapi.json for what there is"),
    405: ("invalid", "this address does not know that method", "see /api/v1/openapi.json for what it knows"),
    413: ("invalid", "the body is larger than 1 MB", "send less"),
    415: ("invalid", "the body must be JSON", "send Content-Type: application/json"),
    416: ("invalid", "the range lies outside the file", "see Content-Range for its size"),
    426: ("invalid", "this address speaks WebSocket only", "connect with a WebSocket client"),
}

ErrorPage = Callable[[web.Request, int, dict[str, Any]], Awaitable[web.StreamResponse]]
ERROR_PAGE: web.AppKey[ErrorPage] = web.AppKey("error_page")
"""Set by the pages: how a person's browser is told (``body`` is what programs are told)."""


def not_signed_in() -> HttpError:
    return HttpError(
        401,
        "denied",
        "you are not signed in",
        "sign in at /login, or send Authorization: Bearer with a token from /api/v1/auth/login",
        headers={"WWW-Authenticate": "Bearer"},
    )


def denied(message: str, hint: str) -> HttpError:
    return HttpError(403, "denied", message, hint)


def error_body(error: ApplianceError) -> dict[str, Any]:
    body: dict[str, Any] = {"kind": error.kind, "message": error.message, "hint": error.hint}
    if error.field is not None:
        body["field"] = error.field
    return {"error": body}


@web.middleware
async def answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The outermost middleware but one: whatever happens inside, the answer has our shape."""
    try:
        return await handler(request)
    except ApplianceError as error:
        return await _answer(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return await _answer(request, _from_http(error))
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:  # a fault of ours in any handler; who asked still gets our shape
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # of a static file
            return await _answer(request, _from_http(web.HTTPNotFound()))
        log.exception("%s %s failed", request.method, request.path[:LONGEST_PATH])
        return await _answer(request, _unexpected(error))


async def _answer(request: web.Request, error: ApplianceError) -> web.StreamResponse:
    status = error.status if isinstance(error, HttpError) else status_of(error)
    headers = dict(error.headers) if isinstance(error, HttpError) else {}
    if status in (429, 503):
        headers.setdefault("Retry-After", "10")
    page = request.app.get(ERROR_PAGE)
    if page is not None and wants_page(request):
        response = await page(request, status, error_body(error))
        response.headers.update(headers)
        return response
    return web.Response(
        status=status,
        body=msgspec.json.encode(error_body(error)),
        content_type="application/json",
        headers={**headers, "Cache-Control": "no-store"},
    )


def status_of(error: ApplianceError) -> int:
    """``exhausted`` is 507 where it is the disk that is full."""
    if error.kind == "exhausted" and "disk" in f"{error.message} {error.hint}":
        return 507
    return STATUS[error.kind]


def wants_page(request: web.Request) -> bool:
    """A person's browser, on an address that is not for programs."""
    if request.path.startswith(("/api/", "/ws/", "/health/", "/metrics", "/static/")):
        return False
    return "text/html" in request.headers.get("Accept", "")


def _from_http(error: web.HTTPException) -> HttpError:
    kind, message, hint = _FOREIGN.get(error.status, ("invalid", error.reason, ""))
    headers = {name: error.headers[name] for name in ("Allow", "Content-Range") if name in error.headers}
    return HttpError(error.status, kind, message, hint, headers=headers)


def _unexpected(error: Exception) -> ApplianceError:
    if isinstance(error, RecursionError):
        return invalid("the body is nested too deeply", "send a flatter one")
    # Its text may hold anything, addresses with passwords included: it stays in the log.
    return ApplianceError("internal", "something went wrong inside the box", "see the box's log at this time")
