"""What channels' options have in common: read strictly, TLS that checks whom it speaks to."""

import re
import ssl
from typing import Annotated, Any, TypeVar

import msgspec

from appliance.base import wording
from appliance.base.errors import invalid

T = TypeVar("T", bound=msgspec.Struct)

LONGEST_CA = 100_000
# On one line, nothing that moves a cursor or ends a header.
Line = Annotated[str, msgspec.Meta(max_length=2000, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$(?!\n)")]
Pem = Annotated[str, msgspec.Meta(max_length=LONGEST_CA)]
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_NAMED = re.compile(r"field `([^`]*)`")


def read(given: dict[str, Any], kind: type[T]) -> T:
    """``given`` as ``kind``. Raises ``invalid`` with ``options.NAME``."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        at, named = _AT.search(text), _NAMED.search(text)
        field = named[1] if named else at[1] if at else ""
        message, hint = _AT.sub("", text), "correct it"
        if plain := wording.of_people(message):
            message = plain
        elif named:
            hint = f"it knows {', '.join(f.encode_name for f in msgspec.structs.fields(kind))}"
        raise invalid(message, hint, field=f"options.{field}" if field else "options") from None


def tls(ca: str) -> ssl.SSLContext:
    """TLS 1.2 or later, names checked; ``ca`` (PEM): the only authorities that are believed; empty: the
    system's. Raises ``invalid`` where it is no certificate."""
    try:
        context = ssl.create_default_context(cadata=ca or None)
    except (ssl.SSLError, ValueError):
        raise invalid(
            "this is no certificate in PEM", "paste it from BEGIN to END CERTIFICATE", field="options.ca"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
