"""``rotate_tunnel``: new keys of the tunnel, in two orders, so that neither end is left with a key that the
other does not take. ``{}``: the box makes a key and says its public half; ``{"use": KEY}``: the hub takes
that one now. The box's tunnel changes over, and goes back by itself where no handshake is made with it.
"""

import sqlite3

import msgspec

from appliance.store.sealing import Sealer
from appliance.sync.control.applier import Outcome, Work, body_of
from appliance.sync.control.order import Order
from appliance.system.tunnel import kept


class _Body(msgspec.Struct):
    use: str | None = None


class RotateTunnel:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def prepare(self, order: Order) -> Work:
        body = body_of(order.command, _Body)

        def work(conn: sqlite3.Connection, now_ns: int) -> Outcome:
            if body.use is None:
                key = kept.announce(conn, self._sealer)
                return Outcome(message="the new key waits to be taken", result={"tunnel_key": key})
            kept.acknowledged(conn, self._sealer, body.use)
            return Outcome(message="the tunnel changes over", changed=("tunnel",))

        return work
