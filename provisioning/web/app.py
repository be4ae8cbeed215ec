"""All routes of the wizard in one table, and the port that they are on."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.http_errors import HttpError
from provisioning.claim import Claim
from provisioning.web.errors import answer, answer_errors
from provisioning.web.guard import CLAIM, address_of, give, is_claimed, let_in, lost_at
from provisioning.web.pages import has_page, page, secure, ui_path
from provisioning.wizard import Wizard

WIZARD: web.AppKey[Wizard] = web.AppKey("wizard", Wizard)
Finish = Callable[[str], Awaitable[dict[str, Any]]]
FINISH: web.AppKey[Finish] = web.AppKey("finish")

LARGEST_BODY_BYTES = 8 << 20  # a customer's signature is a picture
LARGEST_CLAIM_BYTES = 1024  # a stranger's
PATIENCE_S = 30.0
SEEN = re.compile(r"(cameras|snapshots|live|events)(/[A-Za-z0-9._~-]+)*")  # of the daemon's, to look at

T = TypeVar("T")


class ClaimBody(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class PlanBody(msgspec.Struct, forbid_unknown_fields=True):
    given: dict[str, Any]


class ApplyBody(msgspec.Struct, forbid_unknown_fields=True):
    given: dict[str, Any]
    digest: str
    typed: dict[str, str] = {}


async def front(request: web.Request) -> web.StreamResponse:
    wizard = request.app[WIZARD]
    if not is_claimed(request):
        return page(request, "claim.html", title="Claim this box", lost_at=lost_at(request))
    current = wizard.current
    raise web.HTTPSeeOther("/finish" if current is None else f"/steps/{current}")


async def claim(request: web.Request) -> web.StreamResponse:
    if (request.content_length or LARGEST_CLAIM_BYTES + 1) > LARGEST_CLAIM_BYTES:
        raise HttpError(413, "invalid", "this is no claim", "send the code, and nothing else")
    body = await read(request, ClaimBody)
    session = request.app[CLAIM].enter(body.code, address_of(request))
    response = answer({"current": request.app[WIZARD].current, "took_over": session.took_over})
    give(response, session)
    return response


async def list_steps(request: web.Request) -> web.StreamResponse:
    wizard = request.app[WIZARD]
    return answer({"steps": wizard.lines(), "current": wizard.current})


async def step_page(request: web.Request) -> web.StreamResponse:
    wizard, name = request.app[WIZARD], request.match_info["name"]
    step = wizard.step(name)
    template = f"step_{name}.html" if has_page(name) else "step.html"
    line = next(line for line in wizard.lines() if line.name == name)
    return page(request, template, title=step.title, step=line, steps=wizard.lines())


async def finish_page(request: web.Request) -> web.StreamResponse:
    wizard = request.app[WIZARD]
    return page(request, "finish.html", title="Finish", step=None, steps=wizard.lines())


async def look(request: web.Request) -> web.StreamResponse:
    return answer(await request.app[WIZARD].look(request.match_info["name"]))


async def plan(request: web.Request) -> web.StreamResponse:
    body = await read(request, PlanBody)
    return answer(await request.app[WIZARD].plan(request.match_info["name"], body.given))


async def apply(request: web.Request) -> web.StreamResponse:
    body = await read(request, ApplyBody)
    name = request.match_info["name"]
    return answer(await request.app[WIZARD].apply(name, body.given, body.digest, body.typed))


async def confirm(request: web.Request) -> web.StreamResponse:
    return answer(await request.app[WIZARD].confirm(request.match_info["name"]))


async def skip(request: web.Request) -> web.StreamResponse:
    return answer(await request.app[WIZARD].skip(request.match_info["name"]))


async def ask(request: web.Request) -> web.StreamResponse:
    """What a step answers; a struct with ``content_type`` and ``body`` is sent as it is."""
    body = await read(request, dict[str, Any])
    name, what = request.match_info["name"], request.match_info["what"]
    found = await request.app[WIZARD].ask(name, what, body)
    kind, data = getattr(found, "content_type", None), getattr(found, "body", None)
    if isinstance(kind, str) and isinstance(data, bytes):
        return web.Response(body=data, content_type=kind, headers={"Cache-Control": "no-store"})
    return answer(found)


async def box(request: web.Request) -> web.StreamResponse:
    """Pictures and lists of the daemon, to look at."""
    path = request.match_info["path"]
    if not SEEN.fullmatch(path) or ".." in path:
        raise not_found("picture or list", path[:60])
    query = f"?{request.query_string}" if request.query_string else ""
    kind, data = await request.app[WIZARD].ground.daemon.fetch(f"/{path}{query}")
    return web.Response(body=data, content_type=kind, headers={"Cache-Control": "no-store"})


async def finish(request: web.Request) -> web.StreamResponse:
    request.app[WIZARD].must_be_whole()
    return answer(await request.app[FINISH](request.url.host or ""))


def make_app(wizard: Wizard, claims: Claim, finished: Finish) -> web.Application:
    """``finished``: given the name that the telephone called, makes the box the site's, and tells where
    it is from now on."""
    app = web.Application(middlewares=(answer_errors, let_in), client_max_size=LARGEST_BODY_BYTES)
    app[WIZARD], app[CLAIM], app[FINISH] = wizard, claims, finished
    app.add_routes(
        [
            web.get("/", front),
            web.post("/api/claim", claim),
            web.get("/api/steps", list_steps),
            web.get("/steps/{name}", step_page),
            web.get("/finish", finish_page),
            web.get("/api/steps/{name}", look),
            web.post("/api/steps/{name}/plan", plan),
            web.post("/api/steps/{name}/apply", apply),
            web.post("/api/steps/{name}/confirm", confirm),
            web.post("/api/steps/{name}/skip", skip),
            web.post("/api/steps/{name}/ask/{what}", ask),
            web.get("/api/box/{path:.+}", box),
            web.post("/api/finish", finish),
            web.static("/static", ui_path() / "static"),
        ]
    )
    app.on_response_prepare.append(secure)
    return app


async def read(request: web.Request, kind: type[T]) -> T:
    """The body as ``kind``. Raises ``invalid`` naming the field, 408 where it does not come."""
    if request.content_type != "application/json":
        raise HttpError(415, "invalid", "the body must be JSON", "send Content-Type: application/json")
    try:
        async with asyncio.timeout(PATIENCE_S):
            raw = await request.read()
        return msgspec.json.decode(raw, type=kind)
    except TimeoutError:
        raise HttpError(408, "invalid", "the body did not come in time", "send it in one go") from None
    except msgspec.ValidationError as error:
        raise invalid(str(error)[:300], "load the page again") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApplianceError("invalid", "the body is not JSON", "load the page again") from None
