"""Who watched whom: a row per person, thing and 5 min for views and exports."""

from appliance.store import audit
from appliance.web.routes import Call


async def viewed(call: Call, thing: str) -> None:
    """Does not wait for the disk, unless the queue is full: a view that leaves no trace is none."""
    user, now_ns = call.user, call.now_ns
    db = call.box.db
    if not db.offer(lambda conn: audit.add_once(conn, now_ns, user, "viewed", thing)):
        await db.write(lambda conn: audit.add_once(conn, now_ns, user, "viewed", thing))


async def exported(call: Call, thing: str) -> None:
    """Footage leaves the box: the row is on disk before the first byte."""
    user, now_ns = call.user, call.now_ns
    await call.box.db.write(lambda conn: audit.add_once(conn, now_ns, user, "exported", thing))
