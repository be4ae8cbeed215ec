"""/targets: where events and alerts are sent when there is a link."""

import sqlite3
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from appliance.base.errors import invalid, not_found
from appliance.base.wire import time_or_none
from appliance.store import audit, outbox, outbox_counts, targets
from appliance.store.cameras import KEEP, Keep
from appliance.store.outbox_counts import LaneFigures, TargetFigures
from appliance.store.policy import Policy
from appliance.store.policy import check as check_policy
from appliance.store.targets import Kind, Target
from appliance.sync.address import validate
from appliance.web.box import Box
from appliance.web.routes import API, Call, Route, answer, nothing
from appliance.web.shapes import TargetAnswer, TargetsAnswer

Token = Annotated[str, msgspec.Meta(max_length=4000, pattern=r"^[\x21-\x7e]*$(?!\n)")]
OptionName = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[a-z0-9_]+$(?!\n)")]
OptionValue = Annotated[str, msgspec.Meta(max_length=2000)]


class Row(NamedTuple):
    """What is known of a target; ``lanes`` add up to its figures."""

    target: Target
    has_token: bool
    lanes: list[LaneFigures]
    refused: list[tuple[str, str, str]]

    @property
    def figures(self) -> TargetFigures:
        return sum((row.figures for row in self.lanes), TargetFigures())


class TargetBody(msgspec.Struct, forbid_unknown_fields=True):
    """``token`` left out: the stored one is kept; null: none. ``ca``: PEM of the only authorities
    that it is believed by. ``options`` and ``policy`` left out: as they were, so that who does not know
    them does not undo them; given: replaced whole."""

    url: Annotated[str, msgspec.Meta(max_length=2000)]
    kind: Kind = "https"
    options: dict[OptionName, OptionValue] | msgspec.UnsetType = msgspec.UNSET
    policy: Policy | msgspec.UnsetType = msgspec.UNSET
    token: Token | msgspec.UnsetType | None = msgspec.UNSET
    ca: Annotated[str, msgspec.Meta(max_length=100_000)] | None = None
    enabled: bool = True


def target_json(row: Row) -> dict[str, Any]:
    target = row.target
    return {
        "kind": target.kind,
        "url": target.url,
        "ca": target.ca,
        "options": target.options,
        "policy": msgspec.to_builtins(target.policy),
        "has_token": row.has_token,
        **sync_json(target, row.figures),
        "bytes": row.figures.bytes,
        "lanes": [{"lane": each.lane, "kind": each.kind, **figures_json(each.figures)} for each in row.lanes],
        "refused": [{"id": id_, "kind": kind, "reason": why} for id_, kind, why in row.refused],
    }


def sync_json(target: Target, figures: TargetFigures) -> dict[str, Any]:
    """What everybody may know: how far it is, not where it goes."""
    return {
        "id": target.id,
        "enabled": target.enabled,
        **figures_json(figures),
    }


def figures_json(figures: TargetFigures) -> dict[str, Any]:
    """D6, and when the oldest undelivered row was made."""
    return {
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
    return answer({"targets": [target_json(row) for row in await call.box.db.read(all_rows)]})


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
    return target_json(row)


async def put(call: Call) -> web.StreamResponse:
    """Makes the target, or replaces it."""
    body = await call.body(TargetBody)
    id_ = call.name("id")
    sealed: bytes | Keep | None = KEEP
    if body.token is None or body.token == "":
        sealed = None
    elif isinstance(body.token, str):
        sealed = call.box.sealer.seal(body.token.encode(), f"target/{id_}")
    now_ns = call.now_ns
    target, _ = await checked(call.box, id_, body)

    def work(conn: sqlite3.Connection) -> Row:
        before = targets.get(conn, id_)
        if isinstance(sealed, Keep) and before is not None and targets.secret(conn, id_) is not None:
            _same_peer(before, target)
        targets.put(conn, target, sealed)
        audit.add(conn, now_ns, call.user, "changed", f"target/{id_}", {"enabled": target.enabled})
        return _row(conn, target)

    row = await call.box.db.write(work)
    await call.changed("targets")
    return answer({"target": target_json(row)})


async def remove(call: Call) -> web.StreamResponse:
    id_, now_ns = call.name("id"), call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        if not targets.delete(conn, id_):
            raise not_found("target", id_)
        audit.add(conn, now_ns, call.user, "changed", f"target/{id_}", {"removed": True})

    await call.box.db.write(work)
    await call.changed("targets")
    return nothing()


async def checked(box: Box, id_: str, body: TargetBody) -> tuple[Target, str | None]:
    """What ``body`` makes of the target, and its token in the clear. Raises ``invalid`` with the field,
    also where the stored token would be sent to another server than it was entered for."""

    def look(conn: sqlite3.Connection) -> tuple[Target | None, bytes | None]:
        return targets.get(conn, id_), targets.secret(conn, id_)

    before, stored = await box.db.read(look)
    target = _made(id_, body, before)
    if body.token is not msgspec.UNSET:
        token = body.token or None
    else:
        token = None if stored is None else box.sealer.open(stored, f"target/{id_}").decode()
    validate(target, token)
    if body.token is msgspec.UNSET and token is not None and before is not None:
        _same_peer(before, target)
    return target, token


def _made(id_: str, body: TargetBody, before: Target | None) -> Target:
    options = body.options
    if isinstance(options, msgspec.UnsetType):
        options = before.options if before is not None and before.kind == body.kind else {}
    policy = body.policy
    if isinstance(policy, msgspec.UnsetType):
        policy = Policy() if before is None else before.policy
    check_policy(policy)
    return Target(id_, body.url, body.kind, body.ca, body.enabled, options, policy)


def _row(conn: sqlite3.Connection, target: Target) -> Row:
    has_token = targets.secret(conn, target.id) is not None
    lanes = outbox_counts.lanes(conn, target.id)
    return Row(target, has_token, lanes, outbox.refused(conn, target.id))


def _same_peer(before: Target, after: Target) -> None:
    """A stored token is only ever sent where it was entered for."""
    one, two = urlsplit(before.url), urlsplit(after.url)
    same = (one.scheme, one.hostname, one.port) == (two.scheme, two.hostname, two.port)
    if not same or before.kind != after.kind or _addresses(before) != _addresses(after):
        raise invalid(
            "the address leads to another server",
            "enter the token again, so that the old one is not sent to a stranger",
            field="token",
        )


def _addresses(target: Target) -> dict[str, str]:
    """Options that say where to, such as an S3 endpoint."""
    return {name: value for name, value in target.options.items() if "endpoint" in name or "://" in value}


_ONE = f"{API}/targets/{{id:[a-z0-9-]{{1,63}}}}"
ROUTES = (
    Route("GET", f"{API}/targets", "admin", list_targets, "All targets", TargetsAnswer),
    Route("GET", _ONE, "admin", show, "One target and its figures", TargetAnswer),
    Route("PUT", _ONE, "admin", put, "Make or replace a target", TargetAnswer, TargetBody),
    Route("DELETE", _ONE, "admin", remove, "Remove a target, and what it is owed", status=204),
)
