"""openapi.json (3.1), made of the route table and the types it names: what is mounted is in it."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from appliance.web.routes import Call, Route
from appliance.web.shapes import ErrorAnswer

REF = "#/components/schemas/{name}"
_PIECE = re.compile(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")
DOCUMENT: web.AppKey[bytes] = web.AppKey("openapi", bytes)


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    types = [
        t for route in routes for t in (route.body, route.answer) if t is not None and not isinstance(t, str)
    ]
    _, components = msgspec.json.schema_components([*types, ErrorAnswer], ref_template=REF)
    schemas = dict(
        zip(map(id, types), msgspec.json.schema_components(types, ref_template=REF)[0], strict=False)
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aries Edge",
            "version": version,
            "description": "Times: RFC 3339 UTC. Geometry: 0..1 from the top left. Intervals: half-open.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
            },
        },
    }


def plain_path(path: str) -> str:
    """``/cameras/{id:[a-z]+}`` -> ``/cameras/{id}``"""
    return _PIECE.sub(r"{\1}", path)


def _operation(route: Route, schemas: dict[int, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "summary": route.summary,
        "responses": _responses(route, schemas),
        "security": [] if route.role is None else [{"bearer": []}, {"cookie": []}],
        "x-role": route.role,
    }
    pieces = _PIECE.findall(route.path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in pieces
    ]
    for query in route.query:
        kind: dict[str, Any] = {"type": query.kind}
        parameters.append(
            {
                "name": query.name,
                "in": "query",
                "required": query.required,
                "description": query.about,
                "schema": {"type": "array", "items": kind} if query.repeats else kind,
            }
        )
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": schemas[id(route.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _responses(route: Route, schemas: dict[int, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "done"}
    if isinstance(route.answer, str) and route.answer != "websocket":
        good["content"] = {route.answer: {}}
    elif route.answer is not None and not isinstance(route.answer, str):
        good["content"] = {"application/json": {"schema": schemas[id(route.answer)]}}
    responses = {str(route.status): good}
    problem = {"application/json": {"schema": {"$ref": REF.format(name="ErrorAnswer")}}}
    statuses = {400, *route.also}
    if route.role is not None:
        statuses |= {401, 403}
    if "{" in route.path:
        statuses.add(404)
    if route.body is not None:
        statuses |= {413, 415}
    for status in sorted(statuses):
        if status == 206:
            responses["206"] = {"description": "the range", "content": good.get("content", {})}
        else:
            responses[str(status)] = {"description": "refused", "content": problem}
    return responses


async def show(call: Call) -> web.StreamResponse:
    return web.Response(body=call.request.app[DOCUMENT], content_type="application/json")


ROUTES = (Route("GET", "/api/v1/openapi.json", "viewer", show, "This document", dict[str, Any]),)
