"""/ws/events: the journal as it grows; ``since`` resumes, and nothing is missed."""

import re

from aiohttp import web

from appliance.base.errors import invalid
from appliance.base.model import User
from appliance.store import journal
from appliance.store.journal import JournalRow
from appliance.web import params
from appliance.web.live import sockets
from appliance.web.live.feed import Feed, Reader, message
from appliance.web.people.access import sees
from appliance.web.routes import Call, Query, Route

FEED: web.AppKey[Feed] = web.AppKey("feed", Feed)
AT_ONCE = 200


class Wanted:
    """Which rows are for this person: what they may see, of the cameras they asked for. Rows of no
    camera are for everybody."""

    def __init__(self, user: User, camera_ids: tuple[str, ...]) -> None:
        self.user = user
        self._camera_ids = camera_ids

    def __call__(self, camera_id: str | None) -> bool:
        asked = not self._camera_ids or camera_id is None or camera_id in self._camera_ids
        return asked and sees(self.user, camera_id)

    def changed(self, user: User) -> bool:
        self.user = user
        return True


async def ws_events(call: Call) -> web.StreamResponse:
    since = _since(call.request)
    wanted = Wanted(call.user, params.choices_of(call.request, "camera_id"))
    feed = call.request.app[FEED]
    sockets.check(call.request)
    reader = feed.attach(wanted)  # before the upgrade: what happens from now on is in its queue
    try:
        ws = await sockets.accept(call.request)
        sending = _send(call, ws, reader, wanted, since)
        return await sockets.hold(call, ws, sending, _overflow(reader), changed=wanted.changed)
    finally:
        feed.detach(reader)


async def _send(
    call: Call, ws: web.WebSocketResponse, reader: Reader, wanted: Wanted, since: int | None
) -> int:
    position = reader.position if since is None else since
    while position < reader.position:
        rows = await _rows(call, position)
        for row in rows:
            position = row.id
            if row.id <= reader.position and wanted(row.camera_id):
                await ws.send_str(message(row))
        if not rows:
            break
    while True:
        await ws.send_str(await reader.next())


async def _rows(call: Call, position: int) -> list[JournalRow]:
    return await call.box.db.read(lambda conn: journal.since(conn, position, AT_ONCE))


async def _overflow(reader: Reader) -> int:
    await reader.overflow.wait()
    return sockets.TOO_SLOW


def _since(request: web.Request) -> int | None:
    text = request.query.get("since")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise invalid(
            "since is the id of the last message you have", "leave it out to begin now", field="since"
        )
    return int(text)


ROUTES = (
    Route(
        "GET",
        "/ws/events",
        "viewer",
        ws_events,
        "The journal as JSON messages {id, type, timestamp, data}; closes with 4008 for slow readers",
        "websocket",
        query=(
            Query("camera_id", "only of these", repeats=True),
            Query("since", "id of the last message that you have", "integer"),
        ),
        status=101,
    ),
)
