"""What a target is made of: everything it may know, and nothing it would have to look up.

Each target's file exports ``def make(given: Given) -> SyncTarget``, and where it has words of its own for
its address or options, ``def check(given: Target, secret: str | None) -> None``, which raises ``invalid``
with the field that is wrong, without asking the network and without its extra.
"""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.base.clock import Clock
from appliance.store.database import Database
from appliance.store.targets import Target
from appliance.sync.protocol.heartbeat import Heartbeat


@dataclass(frozen=True)
class Given:
    """``secret``: the opened token, never to be shown. ``tls``: believes ``target.ca`` alone where there
    is one, else the system's authorities. ``db``: appliance.db, for what a target has to reconcile.
    ``state_folder``: of this target alone, on the box's own disk; made by who needs it. ``timeout_s``: of
    one request, by the real clock. ``wake``: there is something to send again. ``heartbeat``: what the
    box says of itself, without ``delivery``; None: nobody knows (a bench, a test). ``commanded``: the hub
    said that orders wait. ``charge``: so many bytes went out beside rows and files. ``reached``: the peer
    answers again after a silence. ``directory``: what things are called here (``sync.directory``), for a
    target that is to know. ``sign``: with the box's identity key; None: it has none yet."""

    target: Target
    secret: str | None
    tls: ssl.SSLContext
    device_id: str
    clock: Clock
    db: Database
    state_folder: Path
    timeout_s: float = 30.0
    wake: Callable[[], None] = lambda: None
    heartbeat: Callable[[], Awaitable[Heartbeat]] | None = None
    commanded: Callable[[], None] = lambda: None
    charge: Callable[[int], None] = lambda _: None
    reached: Callable[[], None] = lambda: None
    sign: Callable[[bytes], bytes] | None = None
    directory: Callable[[], Awaitable[bytes]] | None = None
