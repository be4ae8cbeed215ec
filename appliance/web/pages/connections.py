"""Settings, connections: what is sent where, and each target's own form."""

import msgspec

from appliance.base.errors import not_found
from appliance.base.wire import Json
from appliance.store.policy import Policy
from appliance.store.targets import Target
from appliance.web.asked import Asked, Page
from appliance.web.connections.target_fields import BY_KIND, KINDS, TargetKind, target_values
from appliance.web.pages import data
from appliance.web.pages.connection_words import DAYS, LEAST_WORDS, ORDERS, sent_to


async def connections(asked: Asked) -> str:
    asked.need("installer")
    return asked.page(
        "settings_connections.html",
        "settings",
        "Connections",
        orders=ORDERS,
        hub_example="https://hub.example",
    )


async def target_new(asked: Asked) -> str:
    asked.need("admin")
    return asked.page(
        "settings_target_new.html",
        "settings",
        "Add a target",
        kinds=[kind for kind in KINDS if not kind.by_enrolment],
    )


async def target_of_kind(asked: Asked) -> str:
    asked.need("admin")
    kind = BY_KIND.get(asked.request.match_info["kind"])
    if kind is None or kind.by_enrolment:
        raise not_found("kind of target", asked.request.match_info["kind"])
    return _target_page(asked, kind.name, kind, None)


async def target_edit(asked: Asked) -> str:
    asked.need("admin")
    target = await data.target_view(asked.box, asked.request.match_info["id"])
    return _target_page(asked, target["id"], BY_KIND[target["kind"]], target)


def _target_page(asked: Asked, title: str, kind: TargetKind, target: Json | None) -> str:
    values = {} if target is None else target_values(target)
    policy = Policy() if target is None else msgspec.convert(target["policy"], Policy)
    known = Target("", "", kind.kind, options={} if target is None else target["options"])
    return asked.page(
        "settings_target.html",
        "settings",
        title,
        kind=kind,
        target=target,
        values=values,
        has_token=target is not None and target["has_token"],
        policy=msgspec.to_builtins(policy),
        sent=sent_to(known.takes, policy),
        least_words=LEAST_WORDS,
        days=DAYS,
        rare_set=any(values.get(field.name) for field in kind.fields if field.rare),
    )


PAGES: tuple[tuple[str, Page], ...] = (
    ("/settings/connections", connections),
    ("/settings/connections/new", target_new),
    ("/settings/connections/new/{kind}", target_of_kind),
    ("/settings/connections/targets/{id}", target_edit),
)
