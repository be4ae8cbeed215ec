"""/system/support: one file for who helps; it opens nothing, and shows no picture."""

from aiohttp import web

from appliance.store import audit
from appliance.web.cameras.cameras import file_stamp
from appliance.web.routes import API, Call, Route, there

KIND = "application/gzip"


async def support(call: Call) -> web.StreamResponse:
    make = there(call.box.support, "the support bundle")
    user, now_ns = call.user, call.now_ns
    # On disk before the first byte leaves: it names the site's cameras and addresses.
    await call.box.db.write(lambda conn: audit.add(conn, now_ns, user, "exported", "support", {}))
    body = await make()
    name = f"support-{file_stamp(now_ns)}.tar.gz"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(body=body, content_type=KIND, headers=headers)


ROUTES = (Route("GET", f"{API}/system/support", "admin", support, "A bundle for who helps", KIND),)
