"""Channels: how people who do not look at the screen hear of an alert. A plugin point (house.md).

Objective: one Protocol (``send``, ``close``) and a registry of kinds that imports a channel's file only when
such a channel is used.
Invariants: the same alert goes out under the same key each time it is tried, so that a receiver tells the
second from the first; whatever goes wrong is an ``ApplianceError`` whose kind says whether to try again
(``unavailable``, ``exhausted``) or to wait for a person; no password is in its words; nothing is sent in
the clear but where a person chose a server without TLS, and then without a password.
Non-goals: order, pauses, quiet hours (``notifying``); the sound of the screen, which needs no channel.
Read next: ``notice`` (what is said), ``registry``, ``webhook`` (the smallest), ``mail``.
"""

from typing import Protocol

import msgspec

from appliance.alerts.channels.notice import Notice
from appliance.store.channels import Channel


class Given(msgspec.Struct, frozen=True):
    """What a channel is made of. ``secret``: the password or token, in the clear."""

    channel: Channel
    secret: str | None
    device_id: str
    timeout_s: float = 30.0  # some mail servers greet strangers late, on purpose

    def __repr__(self) -> str:
        return f"Given({self.channel.id})"


class NotificationChannel(Protocol):
    """``wants_still``: a picture says more; it is worth a moment's wait."""

    wants_still: bool

    async def send(self, notice: Notice, key: str) -> str:
        """Returns when the other end has taken it, with what it took, for a person to read. Raises
        ``ApplianceError``."""

    async def close(self) -> None:
        """Give everything back, also in the middle of ``send``; may be called twice."""
