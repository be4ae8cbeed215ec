"""/channels: whom the box tells of alerts, and whether it works."""

import asyncio
import sqlite3
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.alerts.channels import Given, notice, registry
from appliance.alerts.channels.faults import plain
from appliance.alerts.notifying import STALE_NS
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.ids import uuid7
from appliance.base.model import Severity
from appliance.base.redaction import forbid
from appliance.base.wire import schedule_json, time_or_none
from appliance.store import audit, channels
from appliance.store.cameras import KEEP, Keep
from appliance.store.channels import Channel, Figures, Kind
from appliance.web.box import Box
from appliance.web.params import Id, Name
from appliance.web.routes import API, Call, Route, answer, nothing
from appliance.web.rules import ScheduleBody, to_schedule

Secret = Annotated[str, msgspec.Meta(max_length=4000, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
PATIENCE_S = 15.0  # a person waits for it


class ChannelBody(msgspec.Struct, forbid_unknown_fields=True):
    """``options`` of mail: ``{host, from, to:[…], port, security:"starttls"|"tls"|"none", username, picture,
    ca}``; of webhook: ``{url, ca}``. ``secret``: password or token; left out: the stored one is kept; null:
    none. ``quiet``: windows in which only what is critical goes out. ``id`` may come back as it was."""

    name: Name
    kind: Kind
    options: dict[str, Any]
    enabled: bool = True
    least_severity: Severity = "warning"
    quiet: ScheduleBody | None = None
    secret: Secret | msgspec.UnsetType | None = msgspec.UNSET
    id: Id | None = None


class ChannelState(msgspec.Struct, forbid_unknown_fields=True):
    """``error``: why the last one did not go out, and the next step; empty where all is well.
    ``since``, ``again_at``: since when, and when it is tried again. ``late``: older than a day, given up."""

    waiting: int
    sent: int
    refused: int
    late: int
    sent_at: str | None
    error: str
    since: str | None
    again_at: str | None


class ChannelEntry(msgspec.Struct, forbid_unknown_fields=True):
    """``has_secret``: one is stored; it is never returned."""

    id: str
    name: str
    kind: Kind
    enabled: bool
    least_severity: Severity
    quiet: Any
    options: dict[str, Any]
    has_secret: bool
    state: ChannelState


class ChannelAnswer(msgspec.Struct):
    channel: ChannelEntry


class ChannelsAnswer(msgspec.Struct):
    channels: list[ChannelEntry]


class Tried(msgspec.Struct):
    """``detail``: what the other end took, or what is wrong; ``hint``: the next step then."""

    ok: bool
    detail: str
    hint: str = ""


class TriedAnswer(msgspec.Struct):
    test: Tried


def entry(conn: sqlite3.Connection, box: Box, channel: Channel) -> ChannelEntry:
    return ChannelEntry(
        id=channel.id,
        name=channel.name,
        kind=channel.kind,
        enabled=channel.enabled,
        least_severity=channel.least_severity,
        quiet=schedule_json(channel.quiet),
        options=channel.options,
        has_secret=channels.secret(conn, channel.id) is not None,
        state=_state(box, channel.id, channels.figures(conn, channel.id)),
    )


def _state(box: Box, channel_id: str, figures: Figures) -> ChannelState:
    now = None if box.notifying is None else box.notifying.state(channel_id)
    return ChannelState(
        figures.waiting, figures.sent, figures.refused, figures.late, time_or_none(figures.sent_ns),
        (now.error if now is not None else "") or figures.error,
        time_or_none(None if now is None else now.since_ns),
        time_or_none(None if now is None else now.again_ns),
    )  # fmt: skip


def all_entries(conn: sqlite3.Connection, box: Box) -> list[ChannelEntry]:
    return [entry(conn, box, channel) for channel in channels.list_channels(conn)]


async def list_channels(call: Call) -> web.StreamResponse:
    return answer({"channels": await call.box.db.read(lambda conn: all_entries(conn, call.box))})


async def add(call: Call) -> web.StreamResponse:
    body = await call.body(ChannelBody)
    if body.id is not None:
        raise invalid("the box gives channels their ids", "leave it out", field="id")
    found = await _stored(call, body, uuid7(call.now_ns), None)
    return answer({"channel": found}, 201)


async def replace(call: Call) -> web.StreamResponse:
    body = await call.body(ChannelBody)
    before = await _existing(call)
    if body.id not in (None, before.id):
        raise invalid("a channel keeps its id", "leave it out, or send the old one", field="id")
    return answer({"channel": await _stored(call, body, before.id, before)})


async def remove(call: Call) -> web.StreamResponse:
    channel, now_ns = await _existing(call), call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        channels.delete(conn, channel.id)
        audit.add(conn, now_ns, call.user, "changed", f"channel/{channel.id}", {"removed": channel.name})

    await call.box.db.write(work)
    await call.changed("channels")
    return nothing()


async def test(call: Call) -> web.StreamResponse:
    """Tells the people behind it that somebody tries it; waits for what its server says."""
    channel, now_ns = await _existing(call), call.now_ns
    who = call.user.username

    def look(conn: sqlite3.Connection) -> tuple[notice.Notice, bytes | None]:
        return notice.of_test(conn, now_ns, who), channels.secret(conn, channel.id)

    said, sealed = await call.box.db.read(look)
    secret = None
    try:
        if sealed is not None:
            secret = call.box.sealer.open(sealed, channels.secret_name(channel.id)).decode()
            forbid(secret)
        peer = registry.make(Given(channel, secret, call.box.device_id, PATIENCE_S))
        try:
            async with asyncio.timeout(PATIENCE_S + 1):
                tried = Tried(True, await peer.send(said, uuid7(now_ns)))
        finally:
            await peer.close()
    except ApplianceError as error:
        tried = Tried(False, error.message, error.hint)
    except TimeoutError:
        tried = Tried(False, "no answer in time", "check the address, and that no firewall is in between")

    def note(conn: sqlite3.Connection) -> None:
        detail = {"tested": channel.name, "ok": tried.ok, "said": plain(tried.detail)}
        audit.add(conn, now_ns, call.user, "changed", f"channel/{channel.id}", detail)

    await call.box.db.write(note)
    return answer({"test": tried})


async def _stored(call: Call, body: ChannelBody, id_: str, before: Channel | None) -> ChannelEntry:
    quiet = None if body.quiet is None else to_schedule(body.quiet)
    kept = body.secret is msgspec.UNSET and before is not None
    has_secret = bool(body.secret) if isinstance(body.secret, str) else kept and await _has_secret(call, id_)
    wanted = Channel(id_, body.name, body.kind, body.enabled, body.least_severity, quiet, body.options)
    channel = registry.check(wanted, has_secret=has_secret)
    sealed: bytes | Keep | None = KEEP if kept else None
    if isinstance(body.secret, str) and body.secret:
        sealed = call.box.sealer.seal(body.secret.encode(), channels.secret_name(id_))
    elif kept and has_secret and before is not None and registry.goes_to(before) != registry.goes_to(channel):
        raise invalid(
            "the address leads to another server",
            "enter the secret again, so that the old one is not told to a stranger",
            field="secret",
        )
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> ChannelEntry:
        same = next((c for c in channels.list_channels(conn) if c.name == channel.name and c.id != id_), None)
        if same is not None:
            raise ApplianceError(
                "conflict", f"there is a channel {same.name!r} already", "choose another name", field="name"
            )
        channels.put(conn, channel, sealed)
        channels.wait_again(conn, id_, now_ns - STALE_NS)
        what = {"changed" if before else "added": channel.name}
        audit.add(conn, now_ns, call.user, "changed", f"channel/{id_}", what)
        return entry(conn, call.box, channel)

    made = await call.box.db.write(work)
    await call.changed("channels")
    return made


async def _has_secret(call: Call, id_: str) -> bool:
    return await call.box.db.read(lambda conn: channels.secret(conn, id_)) is not None


async def _existing(call: Call) -> Channel:
    id_ = call.name("id")
    channel = await call.box.db.read(lambda conn: channels.get(conn, id_))
    if channel is None:
        raise not_found("channel", id_)
    return channel


_ONE = f"{API}/channels/{{id:[A-Za-z0-9-]{{1,64}}}}"
ROUTES = (
    Route("GET", f"{API}/channels", "admin", list_channels, "Whom the box tells of alerts", ChannelsAnswer),
    Route(
        "POST", f"{API}/channels", "admin", add, "Add a channel", ChannelAnswer, ChannelBody, status=201,
        also=(409,),
    ),
    Route("PUT", _ONE, "admin", replace, "Replace a channel", ChannelAnswer, ChannelBody, also=(409,)),
    Route("DELETE", _ONE, "admin", remove, "Remove a channel, and what it is owed", status=204),
    Route("POST", f"{_ONE}/test", "admin", test, "Tell it that somebody tries it", TriedAnswer),
)  # fmt: skip
