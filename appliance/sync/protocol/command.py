"""Orders from the hub to one box: signed, short-lived, applied once.

What is signed is ``CONTEXT`` + ``payload`` (the very bytes, so that no two JSON writers must agree), with
Ed25519 (RFC 8032) by the hub's command key, which the box was given when it enrolled. The answer is a row
of kind ``command_result`` in the outbox (``CommandResult``).
"""

from typing import Annotated, Literal

import msgspec

CONTEXT = b"aries-edge command 1\n"
LONGEST_PAYLOAD_BYTES = 64_000
MOST_WAITING = 20  # in one answer
LONGEST_WAIT_S = 25.0
LONGEST_LIFE_S = 7 * 86_400.0

Kind = Literal[
    "fetch_clip",  # {camera_id, start_time, end_time, stream}
    "patch_settings",  # {based_on: settings_version, patch: {...}, preview: bool, confirm_s: 300}
    "acknowledge_alert",  # {alert_id, by, note?}
    "install_model",  # {name, url?, sha256}
    "update",  # {version, url?, sha256}
    "open_screen",  # {session, minutes}
    "rotate_tunnel",  # {}: make new keys of the tunnel
    "ping",  # {}
]


class Command(msgspec.Struct, frozen=True):
    """``box_id``: the device it is for. ``seq`` grows with every command of one hub to one box."""

    id: str
    box_id: str
    seq: int
    kind: str
    issued_at: str
    expires_at: str
    by: str  # who ordered it, for the audit log of the box
    body: msgspec.Raw


class Signed(msgspec.Struct, frozen=True):
    """``payload``: JSON of a ``Command``, as text. ``signature``: base64 of 64 bytes. ``key_id``: the
    first 16 hex digits of the SHA-256 of the public key."""

    payload: Annotated[str, msgspec.Meta(max_length=LONGEST_PAYLOAD_BYTES)]
    signature: str
    key_id: str


class Commands(msgspec.Struct, frozen=True):
    """Oldest first, those that were not answered yet."""

    commands: list[Signed]


class CommandResult(msgspec.Struct, frozen=True):
    """``refused``: nothing was changed, ``message`` says why. ``pending``: a settings patch that undoes
    itself unless it is confirmed; another result follows under a row id of its own."""

    command_id: str
    state: Literal["done", "failed", "refused", "pending", "confirmed", "undone"]
    message: str = ""
    result: dict[str, object] = {}
