"""What a camera is called until a person says better: its own name, where it is one."""

import re
from collections.abc import Iterable

LONGEST = 60
_PLAIN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What makers write into the name before anybody has given one.
_NO_NAME = re.compile(
    r"(tp-)?(ip|ipc(-[a-z]{1,3})?|ipcam(era)?|network|onvif|nvt|ipnc|hd|dome|bullet|cam(era)?|device|name|unknown"
    r"|channel|ch|default)"
    r"?[\s_-]*(ip|cam(era)?|ipc|device|video|server)?[\s_-]*\d*",
    re.IGNORECASE,
)


def suggested(name: str, maker: str, model: str, address: str) -> str:
    """``name`` where it says more than the maker and the model; else these and the end of the address."""
    own = clean(name)
    told = {text.casefold() for text in (maker, model, f"{maker} {model}", address, "") if text or not own}
    if own and own.casefold() not in told and not _NO_NAME.fullmatch(own):
        return own
    end = address.rpartition(".")[2]
    return clean(f"{maker or 'Camera'} {end}")


def clean(name: str) -> str:
    """On one line, without blanks around it, not too long."""
    return " ".join(_PLAIN.sub(" ", name).split())[:LONGEST].strip()


def distinct(name: str, taken: Iterable[str]) -> str:
    """``name``, with a number behind it while another one is called so."""
    known = {one.casefold() for one in taken}
    candidate, number = name, 1
    while candidate.casefold() in known:
        number += 1
        candidate = f"{name} {number}"
    return candidate
