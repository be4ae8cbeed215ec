"""Refusals in the contract's one shape; no traceback ever leaves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError, Kind
from appliance.base.http_errors import STATUS, HttpError
from appliance.base.redaction import redact
from provisioning.claim import TooEarly

log = logging.getLogger(__name__)


def error_json(error: Exception) -> dict[str, Any]:
    """``{kind, message, hint, field}``, of any failure."""
    if not isinstance(error, ApplianceError):
        error = ApplianceError(
            "internal",
            f"this did not work: {type(error).__name__}",
            "try it again; the box's log says more",
        )
    body = {"kind": error.kind, "message": redact(error.message), "hint": redact(error.hint)}
    return body if error.field is None else {**body, "field": error.field}


@web.middleware
async def answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The outermost middleware: whatever happens inside, the answer has our shape."""
    try:
        return await handler(request)
    except ApplianceError as error:
        return _led_back(request, _answer(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kind: Kind = "not_found" if error.status == 404 else "invalid"
        words = "there is nothing at this address" if error.status == 404 else error.reason
        refusal = HttpError(error.status, kind, words, "go back to the wizard's first page")
        return _led_back(request, _answer(refusal))
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:  # a fault of ours in any handler; who asked still gets our shape
        log.exception("%s %s failed", request.method, request.path[:200])
        return _answer(error)


def _led_back(request: web.Request, refusal: web.Response) -> web.Response:
    """A person who looks for a page that is not there finds the first one; programs are told."""
    if refusal.status != 404 or "text/html" not in request.headers.get("Accept", ""):
        return refusal
    return web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})


def _answer(error: Exception) -> web.Response:
    status = error.status if isinstance(error, HttpError) else 500
    if isinstance(error, ApplianceError) and not isinstance(error, HttpError):
        status = STATUS[error.kind]
    headers = dict(error.headers) if isinstance(error, HttpError) else {}
    if isinstance(error, TooEarly):
        headers["Retry-After"] = str(error.wait_s)
    return answer({"error": error_json(error)}, status=status, headers=headers)


def answer(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON; never kept by a cache."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={**(headers or {}), "Cache-Control": "no-store"},
    )
