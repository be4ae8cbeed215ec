"""/targets: where events and alerts are sent when there is a link."""

import sqlite3
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from appliance.base.errors import invalid, not_found
from appliance.base.wire import time_or_none
from appliance.store import audit, outbox_counts, targets
from appliance.store import policy as policies
from appliance.store.cameras import KEEP, Keep
from appliance.store.outbox_counts import TargetFigures
from appliance.store.policy import Policy
from appliance.store.targets import Kind, Target
from appliance.sync import address
from appliance.web.box import Box
from appliance.web.routes import API, Call, Route, answer, nothing
from appliance.web.shapes import TargetAnswer, TargetsAnswer

Token = Annotated[str, msgspec.Meta(max_length=4000, pattern=r"^[\x21-\x7e]*$(?!\n)")]
Row = tuple[Target, bool, TargetFigures]


class TargetBody(msgspec.Struct, forbid_unknown_fields=True):
    """``token`` left out: the stored one is kept; null: none. ``ca``: PEM of the only authorities
    that it is believed by."""

    url: Annotated[str, msgspec.Meta(max_length=2000)]
    kind: Kind = "https"
    token: Token | msgspec.UnsetType | None = msgspec.UNSET
    ca: Annotated[str, msgspec.Meta(max_length=100_000)] | None = None
    enabled: bool = True
    options: dict[str, Annotated[str, msgspec.Meta(max_length=2000)]] = {}
    policy: Policy = Policy()


def target_json(target: Target, has_token: bool, figures: TargetFigures) -> dict[str, Any]:
    return {
        "kind": target.kind,
        "url": target.url,
        "ca": target.ca,
        "options": target.options,
        "policy": msgspec.to_builtins(target.policy),
        "has_token": has_token,
        **sync_json(target, figures),
    }


def sync_json(target: Target, figures: TargetFigures) -> dict[str, Any]:
    """What everybody may know: how far it is, not where it goes."""
    return {
        "id": target.id,
        "enabled": target.enabled,
        "owed": figures.owed,
        "acknowledged": figures.acknowledged,
        "tombstoned": figures.tombstoned,
        "waiting": figures.waiting,
        "in_flight": figures.in_flight,
        "parked": figures.parked,
        "oldest": time_or_none(figures.oldest_ns),
    }


def all_rows(conn: sqlite3.Connection) -> list[Row]:
    return [_row(conn, target) for target in targets.list_targets(conn)]


async def list_targets(call: Call) -> web.StreamResponse:
    return answer({"targets": [target_json(*row) for row in await call.box.db.read(all_rows)]})


async def show(call: Call) -> web.StreamResponse:
    return answer({"target": await one(call.box, call.name("id"))})


async def one(box: Box, id_: str) -> dict[str, Any]:
    """Raises ``not_found``."""

    def look(conn: sqlite3.Connection) -> Row | None:
        target = targets.get(conn, id_)
        return None if target is None else _row(conn, target)

    row = await box.db.read(look)
    if row is None:
        raise not_found("target", id_)
    return target_json(*row)


async def put(call: Call) -> web.StreamResponse:
    """Makes the target, or replaces it."""
    body = await call.body(TargetBody)
    target = target_of(call.name("id"), body)
    policies.check(target.policy)
    secret, sealed = await secret_of(call, target, body)
    address.validate(target, secret)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> Row:
        targets.put(conn, target, sealed)
        audit.add(conn, now_ns, call.user, "changed", f"target/{target.id}", {"enabled": target.enabled})
        return _row(conn, target)

    row = await call.box.db.write(work)
    await call.changed("targets")
    return answer({"target": target_json(*row)})


def target_of(id_: str, body: TargetBody) -> Target:
    return Target(id_, body.url, body.kind, body.ca, body.enabled, body.options, body.policy)


async def secret_of(call: Call, target: Target, body: TargetBody) -> tuple[str | None, bytes | Keep | None]:
    """The token in the clear, and what is to be stored. Raises ``invalid`` where the stored one would be
    sent to another server than it was entered for."""
    if body.token is None or body.token == "":
        return None, None
    name = f"target/{target.id}"
    if isinstance(body.token, str):
        return body.token, call.box.sealer.seal(body.token.encode(), name)

    def look(conn: sqlite3.Connection) -> tuple[Target | None, bytes | None]:
        return targets.get(conn, target.id), targets.secret(conn, target.id)

    before, stored = await call.box.db.read(look)
    if before is None or stored is None:
        return None, KEEP
    _same_peer(before.url, target.url)
    return call.box.sealer.open(stored, name).decode(), KEEP


async def remove(call: Call) -> web.StreamResponse:
    id_, now_ns = call.name("id"), call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        if not targets.delete(conn, id_):
            raise not_found("target", id_)
        audit.add(conn, now_ns, call.user, "changed", f"target/{id_}", {"removed": True})

    await call.box.db.write(work)
    await call.changed("targets")
    return nothing()


def _row(conn: sqlite3.Connection, target: Target) -> Row:
    has_token = targets.secret(conn, target.id) is not None
    return target, has_token, outbox_counts.figures(conn, target.id)


def _same_peer(before: str, after: str) -> None:
    """A stored token is only ever sent where it was entered for."""
    if _peer(before) != _peer(after):
        raise invalid(
            "the address leads to another server",
            "enter the token again, so that the old one is not sent to a stranger",
            field="token",
        )


def _peer(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.scheme, parts.netloc


_ONE = f"{API}/targets/{{id:[a-z0-9-]{{1,63}}}}"
ROUTES = (
    Route("GET", f"{API}/targets", "admin", list_targets, "All targets", TargetsAnswer),
    Route("GET", _ONE, "admin", show, "One target and its figures", TargetAnswer),
    Route("PUT", _ONE, "admin", put, "Make or replace a target", TargetAnswer, TargetBody),
    Route("DELETE", _ONE, "admin", remove, "Remove a target, and what it is owed", status=204),
)
