"""Zones that sites ask for: data (``templates.toml``), from which zones and rules are made."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from appliance.base.model import RuleKind, Severity

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FILE = Path(__file__).with_name("templates.toml")
Points = tuple[tuple[float, float], ...]


class RuleForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``at``: always, or in the site's night hours."""

    name: str
    kind: RuleKind
    severity: Severity
    classes: tuple[str, ...] = ()
    params: dict[str, Any] = {}
    cooldown_s: float = 60.0
    at: Literal["always", "night"] = "always"


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``points``: where the shape lies until a person moves it."""

    name: str
    title: str
    about: str
    kind: Literal["polygon", "line"]
    points: Points
    rule: tuple[RuleForm, ...]


@cache
def templates() -> dict[str, Template]:
    """By name, in the order of the file."""
    found = msgspec.convert(tomllib.loads(_FILE.read_text())["template"], tuple[Template, ...])
    return {template.name: template for template in found}


def rule_body(form: RuleForm, title: str, zone_id: str, night: dict[str, str]) -> dict[str, Any]:
    """For POST and PUT /rules. ``night``: the site's, ``{from, to}``. ``title``: of the zone, with its
    camera's: rules are known by their names."""
    schedule = None
    if form.at == "night":
        schedule = {"windows": [{"days": list(DAYS), "from": night["from"], "to": night["to"]}]}
    return {
        "name": f"{title}: {form.name}",
        "kind": form.kind,
        "enabled": True,
        "camera_ids": [],
        "zone_ids": [zone_id],
        "classes": list(form.classes),
        "params": form.params,
        "schedule": schedule,
        "severity": form.severity,
        "cooldown_s": form.cooldown_s,
    }
