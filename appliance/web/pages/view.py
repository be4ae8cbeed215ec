"""Templates -> HTML: one environment, escaped everywhere, undefined names are errors."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

import appliance
from appliance.web.pages import words


def ui_path() -> Path:
    """``ui/`` of the checkout, or where the wheel put it."""
    package = Path(appliance.__file__).parent
    inside = package / "_ui"
    return inside if inside.is_dir() else package.parent / "ui"


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ui_path() / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(
        STATES=words.STATES,
        CAUSES=words.CAUSES,
        SEVERITIES=words.SEVERITIES,
        ALERT_STATUSES=words.ALERT_STATUSES,
        RESOLUTIONS=words.RESOLUTIONS,
        EVENT_TYPES=words.EVENT_TYPES,
    )
    env.filters.update(size=words.size, how_long=words.how_long, compact=_compact)
    return env


def render(template: str, **values: Any) -> str:
    return environment().get_template(template).render(values)


def _compact(value: Any) -> str:
    """JSON for a data attribute. A plain ``str``, so that autoescape quotes it like any other."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
