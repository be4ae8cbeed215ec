"""The hub as it is now: where it is, as whom we speak to it."""

import sqlite3

from appliance.store import commands, hub_link, targets
from appliance.store.sealing import Sealer
from appliance.sync.control.poll import Peer
from appliance.sync.protocol import signing


def whom(conn: sqlite3.Connection, sealer: Sealer) -> Peer | None:
    """None: no hub, or it is switched off. Raises ``data_loss`` where its token cannot be read."""
    link = hub_link.get(conn)
    target = None if link is None else targets.get(conn, link.target_id)
    if link is None or target is None or not target.enabled:
        return None
    sealed = targets.secret(conn, target.id)
    token = "" if sealed is None else sealer.open(sealed, f"target/{target.id}").decode()
    return Peer(target, token, commands.newest_seq(conn, signing.key_id(link.command_key), link.enrolled_ns))
