"""The order of a stream's runs, which no clock decides."""

from appliance.base.clock import MS_NS
from appliance.base.ids import made_ns, uuid7


class RunOrder:
    """Ids of one stream's runs: each sorts behind the one before, also where the clock was set back further
    than that one's beginning. The later pass over a time is the one that is seen (R4)."""

    def __init__(self, newest: str | None = None) -> None:
        self._newest = newest

    def next_id(self, now_ns: int) -> str:
        if self._newest is not None:
            now_ns = max(now_ns, made_ns(self._newest) + MS_NS)
        self._newest = uuid7(now_ns)
        return self._newest
