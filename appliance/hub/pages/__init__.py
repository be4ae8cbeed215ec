"""What the remote admin and the operators see: pages of the hub, drawn on the server.

Objective: the fleet worst first, a box, a site, events over all sites, alerts, clips, both ends' figures of
delivery, roll-outs, people, codes and the audit, in the box's own visual language.
Invariants: whatever a box said is a stranger's text: it is escaped, cut to a length and free of letters that
cannot be seen; a page shows a person only what the statements give to that person; pages change nothing:
their scripts write through ``/api/v1`` with the CSRF token, as any program does; every page says how old it
is once its hub is silent.
Non-goals: no second way to sign in, no live pictures, no tiles of a map from elsewhere.
Read next: ``asked`` (one request), ``fleet``, ``words`` (codes in words).
"""

from aiohttp import web

from appliance.hub.pages import alerts, box, delivery, events, fleet, settings, sites
from appliance.hub.pages.asked import add_page, add_sign_in
from appliance.web.pages.view import ui_path


def mount(app: web.Application) -> None:
    """Every page, the two of signing in, and the static files."""
    add_sign_in(app)
    for room in (fleet, sites, box, events, alerts, delivery, settings):
        for path, page in room.PAGES:
            add_page(app, path, page)
    app.router.add_static("/static", ui_path() / "static", append_version=False)
