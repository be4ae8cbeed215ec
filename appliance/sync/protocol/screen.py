"""A box's own screen, through its hub: for a while, and for one person.

    browser ── TLS of the box, end to end ──► port of the hub ═ WebSocket ═► box ──► its own web

The order ``open_screen`` names a session. The box opens a WebSocket to ``/screens/SESSION`` with its token
and says ``Hello``; for each connection of the browser the hub says ``Connect`` there, and the box opens
another WebSocket, ``/screens/SESSION/NUMBER``, which carries that connection's bytes as binary messages, both
ways. The hub relays TLS that ends in the box: it sees neither passwords nor pictures.
"""

from typing import Annotated

import msgspec

MOST_MINUTES = 60
MOST_CONNECTIONS = 32  # at a time; a browser opens six, and some more for live pictures
LONGEST_MESSAGE_BYTES = 1 << 17
PIECE_BYTES = 1 << 16
PATH = "/screens"

Session = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$(?!\n)")]
Minutes = Annotated[int, msgspec.Meta(ge=1, le=MOST_MINUTES)]


class OpenScreen(msgspec.Struct, frozen=True):
    """Body of the order. ``session``: 256 random bits, base64url."""

    session: Session
    minutes: Minutes = 15


class Hello(msgspec.Struct, frozen=True):
    """``fingerprint``: SHA-256 of the certificate that the browser will be shown."""

    fingerprint: Annotated[str, msgspec.Meta(max_length=100)]


class Connect(msgspec.Struct, frozen=True):
    connect: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
