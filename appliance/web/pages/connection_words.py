"""Words of the connections page: what a hub may order, what is sent, in sentences for people."""

from collections.abc import Callable
from typing import Any

import msgspec

from appliance.store.policy import LEAST, KindPolicy, Policy
from appliance.sync.control.permissions import NAMES

ORDERS: tuple[tuple[str, str, str], ...] = (
    ("ping", "Ask whether it obeys", "Changes nothing; the answer shows that orders reach the box."),
    ("fetch_clip", "Fetch a clip", "Recordings of any time and camera can be sent to the hub."),
    ("acknowledge_alert", "Acknowledge alerts", "An alert that is acknowledged at the hub is so here, too."),
    (
        "patch_settings",
        "Change settings",
        "They go back by themselves after 5 minutes unless the box is still heard. What cannot be brought"
        " back that way has to be allowed by itself, below.",
    ),
    (
        "shorten_retention",
        NAMES["shorten_retention"],
        "A change of settings may let the box delete recordings, events and what waits to be sent earlier"
        " than now. Recordings and events have a day's grace, in which it can be put back here.",
    ),
    (
        "change_clock",
        NAMES["change_clock"],
        "A change of settings may move every schedule of rules, and when it is night.",
    ),
    (
        "change_targets",
        NAMES["change_targets"],
        "A change of settings may switch off targets that are not the hub, or change what they get.",
    ),
    (
        "move_hub",
        NAMES["move_hub"],
        "A change of settings may name another address for the hub, or another authority to believe it by."
        " Whoever is there gets this box's token.",
    ),
    ("install_model", "Install a model", "A model pack with the hash that the order names."),
    ("update", "Update the box", "Another version of its software, signed by its maker; newer ones only."),
    (
        "open_screen",
        "Open this screen",
        "Somebody at the hub may open this screen from afar, for an hour at most. They sign in here as"
        " everybody does; the hub cannot read along.",
    ),
    (
        "rotate_tunnel",
        "Make new keys of the tunnel",
        "The old ones stay until the hub has the new ones.",
    ),
)


class Sent(msgspec.Struct, frozen=True):
    """One line of "what to send": ``kinds`` of rows that are decided together, by the first one's lot.
    ``by_severity``: whether a least severity means anything."""

    kinds: tuple[str, ...]
    name: str
    about: str = ""
    by_severity: bool = True


SENT: tuple[Sent, ...] = (
    Sent(("alert", "alert_update"), "Alerts", "and who acknowledged them"),
    Sent(("event", "event_update"), "Events", "what happened, as text and figures"),
    Sent(("still",), "Stills", "one picture of each event"),
    Sent(("small_clip",), "Small clips", "from the camera's second stream"),
    Sent(("clip",), "Clips", "from the main stream: the most bytes by far"),
    Sent(("ledger",), "Ledger of gaps", "when nothing was recorded, and why", by_severity=False),
    Sent(("metrics",), "Figures of the box", by_severity=False),
    Sent(
        ("sample",),
        "Samples",
        "the picture of an alert that a person judged, to train models with",
        by_severity=False,
    ),
)
LEAST_WORDS = (("info", "All"), ("warning", "Warning and critical"), ("critical", "Critical only"))
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def sent_to(takes: Callable[[str], bool], policy: Policy) -> list[dict[str, Any]]:
    """The lines for one target, as its policy has them now. ``takes``: whether rows of a kind can go there
    at all; others have no line."""
    return [
        {
            "kind": sent.kinds[0],
            "kinds": sent.kinds,
            "name": sent.name,
            "about": sent.about,
            "on": policy.of(sent.kinds[0]).on,
            "least": _least(sent, policy) if sent.by_severity else None,
            "usual": LEAST.get(sent.kinds[0], "info"),
        }
        for sent in SENT
        if takes(sent.kinds[0])
    ]


def _least(sent: Sent, policy: Policy) -> str:
    own = policy.kinds.get(sent.kinds[0], KindPolicy())
    return own.least_severity or LEAST.get(sent.kinds[0], "info")
