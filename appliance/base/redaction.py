"""Takes credentials out of text before a person or a log sees it.

Two nets. Shapes: URLs with a user part, ``password=`` and its kin, ``Authorization`` and cookie
lines. And names: what the box itself knows to be secret is told to ``forbid`` and is blotted out
wherever it turns up, however a foreign library mangled the text around it. Rather too much is
hidden than too little.

Every repetition is bounded: `re` holds the GIL, and a stranger's text must not buy seconds of it.
"""

import re
import threading
import urllib.parse
from collections.abc import Callable

BLOT = "…"
MOST_FORBIDDEN = 1_000
SHORTEST_SECRET = 4  # shorter ones would blot out ordinary words; the shapes still catch them

_KEYS = (
    r"[a-z0-9_.-]{0,20}(?:password|passwd|passphrase|pwd|token|secret|api[_-]?key|private[_-]?key|credentials?"
    r"|claim[_-]?code|csrf|nonce|session(?:[_-]?id)?)|pass|auth|key|sig|signature|usr|user(?:name)?"
)
_QUOTED = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'"

_SHAPES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # header lines: all that follows the colon
    (
        re.compile(
            r"""(?i)\b((?:proxy-|www-)?auth(?:orization|enticate)|(?:set-)?cookie)(["']?\s*[:=]\s*)[^\r\n]*"""
        ),
        rf"\1\2{BLOT}",
    ),
    (re.compile(r"(?i)\b(bearer)\s+[^\s\"',;]+"), rf"\1 {BLOT}"),
    # scheme://user:pass@host: up to the last @ before white space, as a raw password may hold / and @
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}:/{1,3})\S{0,500}@"), rf"\1{BLOT}@"),
    # password=..., "password": "...", ?user=...&password=...
    (
        re.compile(rf"""(?i)(?<![a-z0-9])({_KEYS})(["']?\s*[=:]\s*)({_QUOTED}|[^\s&#"',;)}}\]]+)"""),
        rf"\1\2{BLOT}",
    ),
)

_lock = threading.Lock()
_forbidden: dict[str, None] = {}  # the newest last
_forbidden_shape: re.Pattern[str] | None = None
_is_stale = False  # the shape is made when it is needed: a fleet enrols many boxes, and logs little


def forbid(*secrets: str) -> None:
    """From now on ``redact`` blots these out everywhere: as they are, and as a URL quotes them.

    To be called with every password the box learns. Secrets of fewer than 4 characters are left to
    the shapes. Of more than ``MOST_FORBIDDEN`` forms the oldest are forgotten, as a restart does: a hub
    gives a token to each of its boxes, keeps none, and must not search every line for all of them.
    """
    global _is_stale
    forms = {
        form
        for secret in secrets
        if len(secret) >= SHORTEST_SECRET
        for form in (
            secret,
            urllib.parse.quote(secret, safe=""),
            urllib.parse.quote(secret),
            repr(secret)[1:-1],
        )
    }
    with _lock:
        for form in forms:
            _is_stale |= form not in _forbidden
            _forbidden.pop(form, None)
            _forbidden[form] = None
        while len(_forbidden) > MOST_FORBIDDEN:
            del _forbidden[next(iter(_forbidden))]


def redact(text: str) -> str:
    """``text`` without credentials."""
    shape = _shape()
    if shape is not None:
        text = shape.sub(BLOT, text)
    for pattern, instead in _SHAPES:
        text = pattern.sub(instead, text)
    return text


def _shape() -> re.Pattern[str] | None:
    """Of all that is forbidden now; who asks while it is made waits for it."""
    global _forbidden_shape, _is_stale
    if _is_stale:
        with _lock:
            if _is_stale:
                longest_first = sorted(_forbidden, key=len, reverse=True)
                _forbidden_shape = re.compile("|".join(map(re.escape, longest_first)))
                _is_stale = False
    return _forbidden_shape
