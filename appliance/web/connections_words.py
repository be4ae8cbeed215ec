"""Words of the connections page: what a hub may order, what is sent, in sentences for people."""

ORDERS: tuple[tuple[str, str, str], ...] = (
    ("ping", "Ask whether it obeys", "Changes nothing; the answer shows that orders reach the box."),
    ("fetch_clip", "Fetch a clip", "Recordings of any time and camera can be sent to the hub."),
    ("acknowledge_alert", "Acknowledge alerts", "An alert that is acknowledged at the hub is so here, too."),
    (
        "patch_settings",
        "Change settings",
        "They go back by themselves after 5 minutes unless the box is still heard.",
    ),
    ("install_model", "Install a model", "A model pack with the hash that the order names."),
    ("update", "Update the box", "Another version of its software. This version does not obey it yet."),
    (
        "open_screen",
        "Open this screen",
        "Somebody at the hub uses this screen. This version does not obey it yet.",
    ),
    (
        "rotate_tunnel",
        "Make new keys of the tunnel",
        "The old ones stay until the hub has the new ones.",
    ),
)

SENT: tuple[tuple[str, str], ...] = (
    ("alert", "Alerts"),
    ("alert_update", "Changes of alerts"),
    ("event", "Events"),
    ("event_update", "Changes of events"),
    ("still", "Stills"),
    ("small_clip", "Small clips"),
    ("clip", "Clips"),
    ("ledger", "Ledger of gaps"),
    ("metrics", "Figures of the box"),
    ("command_result", "Answers to the hub"),
    ("sample", "Samples"),
)
