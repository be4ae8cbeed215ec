"""The hub, as the box speaks with it: rows, files, a heartbeat, and the reconciliation.

Objective: what the outbox owes arrives at our own endpoint over any link, and both ends can prove it.
Invariants: a row is acknowledged only by the hub's own word for its id (D3); an upload's state is at the
hub, so that a cut or a reboot costs at most one chunk; little is ever queued where a critical alert could
not overtake it (``flow``); what the hub lost is owed again, exactly that (``reconcile``); a request that is
cancelled takes its connection with it.
Non-goals: order, lanes, budgets, back-off (``sync.sender``); commands (``sync.control``); making files
(``daemon.materials``).
Read next: ``target`` (all of it together), ``link``, ``flow``, ``batch``, ``upload``, ``heartbeat``,
``reconcile``.
"""

from urllib.parse import urlsplit

from appliance.base.errors import invalid
from appliance.store.targets import Target
from appliance.sync.targets.given import Given
from appliance.sync.targets.hub.target import HubTarget

__all__ = ["HubTarget", "check", "make"]


def check(target: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    parts = urlsplit(target.url)
    if parts.query or parts.fragment:
        raise invalid("a hub's address has no query", "write https://host:8443", field="url")
    if target.options:
        raise invalid("a hub has no options", "leave them out", field="options")


def make(given: Given) -> HubTarget:
    """Costs no socket until it is used."""
    return HubTarget(given)
