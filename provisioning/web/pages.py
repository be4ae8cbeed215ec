"""Templates -> pages, in the box's own look."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

import appliance

# What the daemon's pages say (web.headers), for the wizard's own.
HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # the claim code stands behind the # of the first address
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def ui_path() -> Path:
    """``ui/`` of the checkout, or where the wheel put it."""
    package = Path(appliance.__file__).parent
    inside = package / "_ui"
    return inside if inside.is_dir() else package.parent / "ui"


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(ui_path() / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(request: web.Request, template: str, **values: Any) -> web.Response:
    theme = request.cookies.get("theme", "")
    values["theme"] = theme if theme in ("dark", "light") else ""
    text = _environment().get_template(f"provisioning/{template}").render(values)
    return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


def has_page(name: str) -> bool:
    return (ui_path() / "templates" / "provisioning" / f"step_{name}.html").is_file()


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """An ``on_response_prepare`` signal, so that files get them too."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "Aries Edge"
    if request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-cache")
