"""What a person carries from the hub to a box: as a QR code, a file on a stick, or to type.

One line of text: ``aries-enrol:1?url=https%3A%2F%2Fhub.example&code=ABCD-2345&sha256=<hex>``. ``sha256``
(optional) is of the certificate that the hub shows, for a hub that no public authority vouches for: the
box then believes that certificate, and no other. The code works once, and as long as its
maker chose (a day, if nothing was said): a lost stick opens nothing afterwards, and nothing without a box's
identity key.
"""

import re
from urllib.parse import parse_qsl, urlencode

import msgspec

from appliance.base.errors import invalid

SCHEME = "aries-enrol:1?"
LONGEST_BYTES = 4_000
FILE_NAME = "aries-enrol.txt"  # on a stick
_CODE = re.compile(r"[A-Za-z0-9-]{4,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Invitation(msgspec.Struct, frozen=True):
    """``sha256``: hex, of the hub's certificate in DER form; empty: a public authority vouches for it."""

    url: str
    code: str
    sha256: str = ""


def render(invitation: Invitation) -> str:
    """One line, no line feed; all of it ASCII, so that any QR code and any file system holds it."""
    fields = {"url": invitation.url, "code": invitation.code}
    if invitation.sha256:
        fields["sha256"] = invitation.sha256
    return SCHEME + urlencode(fields)


def parse(text: str) -> Invitation:
    """Read what ``render`` wrote, with white space around it. Unknown fields are ignored: a newer hub
    may have more to say. Raises ``invalid``, without repeating the text: it holds a code."""
    line = text.strip()
    if not line.startswith(SCHEME) or len(line) > LONGEST_BYTES or not line.isascii():
        raise invalid("this is no invitation of a hub", f"it begins with {SCHEME}", field="invitation")
    try:
        pairs = parse_qsl(line.removeprefix(SCHEME), strict_parsing=True, max_num_fields=20)
    except ValueError:
        raise invalid("this invitation is damaged", "get it again", field="invitation") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise invalid("this invitation says a thing twice", "get it again", field="invitation")
    return checked(fields.get("url", ""), fields.get("code", ""), fields.get("sha256", ""))


def checked(url: str, code: str, sha256: str = "") -> Invitation:
    """What a person typed, or a stick said. ``sha256`` may have colons and capitals, as browsers show
    it. Whether the address makes sense is said by who calls it."""
    digits = sha256.replace(":", "").lower()
    if not url:
        raise invalid("the hub's address is missing", "write https://host", field="url")
    if _CODE.fullmatch(code) is None:
        raise invalid("this is no enrolment code", "letters, digits and -, as the hub shows it", field="code")
    if digits and _SHA256.fullmatch(digits) is None:
        raise invalid("this is no SHA-256", "64 digits 0-9 a-f, as the hub shows it", field="sha256")
    return Invitation(url, code, digits)
