"""POST /invitations: a code of enrolment as one line of text, as a picture, and as the command to type."""

import io
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import segno
from aiohttp import web

from appliance.base.errors import invalid
from appliance.hub.people.routes import API, Call, Route, answer
from appliance.sync.protocol import invitation


class InvitationBody(msgspec.Struct, forbid_unknown_fields=True):
    """``sha256``: of the certificate that boxes see, where no public authority vouches for it."""

    url: Annotated[str, msgspec.Meta(max_length=1_000)]
    code: Annotated[str, msgspec.Meta(max_length=64)]
    sha256: Annotated[str, msgspec.Meta(max_length=100)] = ""


async def invite(call: Call) -> web.StreamResponse:
    """Nothing is stored, and the code is not looked up."""
    body = await call.body(InvitationBody)
    if not _is_address(body.url):
        raise invalid("this is no address", "write https://host", field="url")
    if any(char.isspace() or not char.isprintable() or char in "\"'`$;&|<>\\" for char in body.url):
        raise invalid("this address holds what a shell would read", "write https://host", field="url")
    made = invitation.checked(body.url.rstrip("/"), body.code, body.sha256)
    text = invitation.render(made)
    pin = f" --sha256 {made.sha256}" if made.sha256 else ""
    command = f"appliance enrol {made.url} {made.code}{pin} --data /var/lib/aries"
    return answer({"invitation": {"text": text, "command": command, "svg": picture(text)}})


def _is_address(url: str) -> bool:
    """Of a hub: with a host, a port if any, and nothing that a browser would do without."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:  # brackets without an IPv6 address, a port beyond 65 535
        return False
    is_plain = parts.username is None and not parts.query and not parts.fragment and url.isascii()
    return parts.scheme in ("https", "http") and bool(parts.hostname) and has_port and is_plain


def picture(text: str) -> str:
    """SVG, black on white whatever the theme: cameras want it so. Error correction M (ISO/IEC 18004): 15 %
    of it may be dirty."""
    out = io.BytesIO()
    qr = segno.make_qr(text, error="m")
    qr.save(out, kind="svg", border=4, light="#ffffff", omitsize=True, xmldecl=False)
    return out.getvalue().decode()


ROUTES = (Route("POST", f"{API}/invitations", "admin", invite, all_sites=True),)
