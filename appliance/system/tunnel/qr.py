"""What an installer's telephone reads off the box to enrol it by hand: who it is and its public keys.

Nothing secret is in it: whoever reads it can send the box nothing and read nothing of it.
"""

import io
import urllib.parse

import segno
from wireguard_tools import WireguardKey

SCHEME = "aries-edge"
QUIET_ZONE = 2  # modules; telephones read it with less than the standard's 4


def text(device_id: str, tunnel_key: str, identity_key: str = "") -> str:
    """``aries-edge:enrol?device=…&tunnel=…&identity=…``; keys in base64 for URLs, without padding."""
    fields = {"device": device_id, "tunnel": WireguardKey(tunnel_key).urlsafe}
    if identity_key:
        fields["identity"] = WireguardKey(identity_key).urlsafe  # any 32 bytes
    return f"{SCHEME}:enrol?{urllib.parse.urlencode(fields)}"


def for_terminal(content: str) -> str:
    """Lines of half blocks, for a screen of dark ground."""
    out = io.StringIO()
    segno.make_qr(content, error="m").terminal(out, border=QUIET_ZONE, compact=True)
    return out.getvalue()


def svg(content: str) -> str:
    """Without a size of its own: the page gives it one."""
    out = io.BytesIO()
    segno.make_qr(content, error="m").save(out, kind="svg", border=4, omitsize=True, xmldecl=False)
    return out.getvalue().decode()
