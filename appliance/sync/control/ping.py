"""``ping``: is anybody there?"""

from appliance import __version__
from appliance.base.clock import rfc3339
from appliance.sync.control.applier import Outcome, Work
from appliance.sync.control.order import Order


class Ping:
    async def prepare(self, order: Order) -> Work:
        return lambda conn, now_ns: Outcome(result={"version": __version__, "box_time": rfc3339(now_ns)})
