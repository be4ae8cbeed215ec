"""/audit: who viewed, exported, changed, signed in."""

from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.store import audit
from appliance.web import params
from appliance.web.routes import API, PAGE, Call, Route, answer
from appliance.web.shapes import AuditAnswer


async def list_audit(call: Call) -> web.StreamResponse:
    limit, cursor = params.limit_of(call.request), params.cursor_of(call.request)
    found, more, total = await call.box.db.read(lambda conn: audit.page(conn, limit, cursor))
    rows = [
        {
            "id": row.id,
            "time": rfc3339(row.time_ns),
            "user_id": row.user_id,
            "username": row.username,
            "action": row.action,
            "thing": row.thing,
            "detail": row.detail,
        }
        for row in found
    ]
    return answer({"audit": rows, "next_cursor": more, "total": total})


ROUTES = (Route("GET", f"{API}/audit", "admin", list_audit, "Newest first", AuditAnswer, query=PAGE),)
