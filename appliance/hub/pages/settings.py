"""What admins keep: people, sites, codes of enrolment, the audit; and everybody's own account."""

from aiohttp import web

from appliance.hub.pages import words
from appliance.hub.pages.asked import PER_PAGE, Asked
from appliance.hub.people.admin import code_json
from appliance.hub.store import audit, codes, directory, fleet_list, sites, users
from appliance.hub.store.audit import AuditRow
from appliance.hub.store.users import ROLES

MOST_CODES = 50
MOST_SITES = 200  # on one page; the others are found by searching


async def home(asked: Asked) -> str:
    raise web.HTTPSeeOther("/settings/people" if asked.may("admin") else "/settings/account")


async def people(asked: Asked) -> str:
    asked.need("admin")
    asked.need_all_sites()
    found = await asked.hub.store.read(users.listed_users)
    all_sites = await asked.hub.store.read(lambda: fleet_list.some_sites(asked.user_id))
    names = {site.id: words.shown(site.name, 80) for site in all_sites}
    return asked.page(
        "people.html", "settings", "People", people=found, roles=ROLES, sites=all_sites, names=names
    )


async def all_sites(asked: Asked) -> str:
    asked.need("admin")
    asked.need_all_sites()
    found = await asked.hub.store.read(lambda: sites.seen_by(asked.user_id))
    search = asked.one("q", 100)
    fits = [site for site in found if search.lower() in f"{site.name} {site.id}".lower()]
    return asked.page(
        "sites.html",
        "settings",
        "Sites",
        sites=fits[:MOST_SITES],
        count=len(fits),
        all=len(found),
        search=search,
    )


async def enrolment(asked: Asked) -> str:
    asked.need("admin")
    asked.need_all_sites()
    found = await asked.hub.store.read(lambda: codes.newest(MOST_CODES))
    all_sites = await asked.hub.store.read(lambda: fleet_list.some_sites(asked.user_id))
    users_of = [code.used_by for code in found if code.used_by]
    boxes = await asked.hub.store.read(lambda: directory.box_names(asked.user_id, users_of))
    return asked.page(
        "codes.html",
        "settings",
        "Enrolment",
        codes=[(code, code_json(code, asked.now_ns)["state"]) for code in found],
        sites=all_sites,
        names={site.id: words.shown(site.name, 80) for site in all_sites},
        boxes={box_id: words.shown(name, 80) or box_id for box_id, name in boxes.items()},
        hub_url=asked.hub.settings.url or f"{asked.request.scheme}://{asked.request.host}",
        # Behind a balancer it is not ours that boxes see.
        fingerprint="" if asked.hub.settings.url else asked.hub.fingerprint,
    )


async def audit_page(asked: Asked) -> str:
    asked.need("admin")
    asked.need_all_sites()
    found, more = await asked.hub.store.read(lambda: audit.page(PER_PAGE, asked.cursor()))
    return asked.page(
        "audit.html",
        "settings",
        "Audit",
        rows=[(row, _detail(row)) for row in found],
        older=None if more is None else asked.further(more),
    )


async def account(asked: Asked) -> str:
    return asked.page("account.html", "settings", "Account")


def _detail(row: AuditRow) -> str:
    said = words.object_of(bytes(row.detail).decode())
    told = {key: value if isinstance(value, str) else words.value(value) for key, value in said.items()}
    return " · ".join(
        f"{words.shown(key, 40).replace('_', ' ')}: {text}"
        for key, text in told.items()
        if text not in ("", "null")
    )


PAGES = (
    ("/settings", home),
    ("/settings/people", people),
    ("/settings/sites", all_sites),
    ("/settings/codes", enrolment),
    ("/settings/audit", audit_page),
    ("/settings/account", account),
)
