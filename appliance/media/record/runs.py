"""The order of a stream's runs, which no clock decides."""

import contextlib

from appliance.base.clock import MS_NS
from appliance.base.ids import made_ns, uuid7


class RunOrder:
    """Ids of one stream's runs: each sorts behind the one before, also where the clock was set back further
    than that one's beginning. The later pass over a time is the one that is seen (R4)."""

    def __init__(self, newest: str | None = None) -> None:
        self._newest_ns = 0
        if newest is not None:
            with contextlib.suppress(ValueError):  # from a file: no damage there stops a recording
                self._newest_ns = made_ns(newest)

    def next_id(self, now_ns: int) -> str:
        self._newest_ns = max(now_ns, self._newest_ns + MS_NS)
        return uuid7(self._newest_ns)
