"""/targets: where events and alerts are sent when there is a link."""

import sqlite3
import ssl
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from appliance.base.errors import invalid, not_found
from appliance.base.wire import time_or_none
from appliance.store import audit, outbox_counts, targets
from appliance.store.cameras import KEEP, Keep
from appliance.store.outbox_counts import TargetFigures
from appliance.store.targets import Target
from appliance.web.routes import API, Call, Route, answer, nothing
from appliance.web.shapes import TargetAnswer, TargetsAnswer

Token = Annotated[str, msgspec.Meta(max_length=4000, pattern=r"^[\x21-\x7e]*$(?!\n)")]
Row = tuple[Target, bool, TargetFigures]


class TargetBody(msgspec.Struct, forbid_unknown_fields=True):
    """``token`` left out: the stored one is kept; null: none. ``ca``: PEM of the only authorities
    that it is believed by."""

    url: Annotated[str, msgspec.Meta(max_length=2000)]
    kind: Literal["https"] = "https"
    token: Token | msgspec.UnsetType | None = msgspec.UNSET
    ca: Annotated[str, msgspec.Meta(max_length=100_000)] | None = None
    enabled: bool = True


def target_json(target: Target, has_token: bool, figures: TargetFigures) -> dict[str, Any]:
    return {
        "kind": target.kind,
        "url": target.url,
        "ca": target.ca,
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
    id_ = call.name("id")

    def look(conn: sqlite3.Connection) -> Row | None:
        target = targets.get(conn, id_)
        return None if target is None else _row(conn, target)

    row = await call.box.db.read(look)
    if row is None:
        raise not_found("target", id_)
    return answer({"target": target_json(*row)})


async def put(call: Call) -> web.StreamResponse:
    """Makes the target, or replaces it."""
    body = await call.body(TargetBody)
    id_ = call.name("id")
    _check_url(body.url)
    if body.ca is not None:
        _check_ca(body.ca)
    target = Target(id=id_, url=body.url, kind=body.kind, ca=body.ca, enabled=body.enabled)
    sealed: bytes | Keep | None = KEEP
    if body.token is None or body.token == "":
        sealed = None
    elif isinstance(body.token, str):
        sealed = call.box.sealer.seal(body.token.encode(), f"target/{id_}")
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> Row:
        before = targets.get(conn, id_)
        if isinstance(sealed, Keep) and before is not None and targets.secret(conn, id_) is not None:
            _same_peer(before.url, target.url)
        targets.put(conn, target, sealed)
        audit.add(conn, now_ns, call.user, "changed", f"target/{id_}", {"enabled": target.enabled})
        return _row(conn, target)

    row = await call.box.db.write(work)
    await call.changed("targets")
    return answer({"target": target_json(*row)})


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


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not url.isascii() or not url.isprintable() or " " in url:
        raise invalid("this is not an address", "write it as https://cloud.example/ingest", field="url")
    if parts.scheme != "https" and not _is_local_http(parts.scheme, parts.hostname or ""):
        raise invalid("a target is reached by https only", "begin it with https://", field="url")
    if "@" in parts.netloc:
        raise invalid("the address holds credentials", "send them as token", field="url")


def _is_local_http(scheme: str, host: str) -> bool:
    # On the box itself nothing travels: an agent of the site's own may take over from there.
    return scheme == "http" and host in ("127.0.0.1", "::1", "localhost")


def _check_ca(ca: str) -> None:
    try:
        if not ca.strip():
            raise ValueError
        ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: a letter that is not ASCII
        raise invalid("this is not a certificate", "paste it as PEM text", field="ca") from None


def _same_peer(before: str, after: str) -> None:
    """A stored token is only ever sent where it was entered for."""
    one, two = urlsplit(before), urlsplit(after)
    if (one.scheme, one.hostname, one.port) != (two.scheme, two.hostname, two.port):
        raise invalid(
            "the address leads to another server",
            "enter the token again, so that the old one is not sent to a stranger",
            field="token",
        )


_ONE = f"{API}/targets/{{id:[a-z0-9-]{{1,63}}}}"
ROUTES = (
    Route("GET", f"{API}/targets", "admin", list_targets, "All targets", TargetsAnswer),
    Route("GET", _ONE, "admin", show, "One target and its figures", TargetAnswer),
    Route("PUT", _ONE, "admin", put, "Make or replace a target", TargetAnswer, TargetBody),
    Route("DELETE", _ONE, "admin", remove, "Remove a target, and what it is owed", status=204),
)
