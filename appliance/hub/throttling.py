"""Where the pauses after failed sign-ins and enrolments are kept: per instance, as a speed limit only.

Each purpose has its own: who mistypes a code is not kept from signing in, whatever user name a stranger
calls himself. ``Names`` is the limit that no number of addresses gets around.
"""

from collections import OrderedDict, deque

from aiohttp import web

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.http_errors import HttpError
from appliance.web.people.throttle import Throttle

THROTTLE: web.AppKey[Throttle] = web.AppKey("throttle", Throttle)
ENROLMENTS: web.AppKey[Throttle] = web.AppKey("enrolments", Throttle)

FREE = 20  # failures of a name, from wherever
WINDOW_NS = 900 * SECOND_NS
PAUSE_NS = 5 * SECOND_NS
MOST_NAMES = 10_000


class Names:
    """After ``FREE`` failures within ``WINDOW_NS`` a name is asked for at most every ``PAUSE_NS``, but by
    the addresses that signed in with it before: a stranger slows strangers down, and locks nobody out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[int]] = OrderedDict()
        self._asked_ns: dict[str, int] = {}
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def attempt(self, address: str, username: str) -> None:
        """Before a password is looked at. Raises 429 (``exhausted``) with Retry-After."""
        name, now_ns = username.casefold(), self._clock.monotonic_ns()
        times = self._failures.get(name, deque())
        while times and now_ns - times[0] >= WINDOW_NS:
            times.popleft()
        if len(times) < FREE or (address, name) in self._known:
            return
        wait_ns = self._asked_ns.get(name, now_ns - PAUSE_NS) + PAUSE_NS - now_ns
        if wait_ns > 0:
            wait_s = -(-wait_ns // SECOND_NS)
            raise HttpError(
                429, "exhausted", "too many failed sign-ins with this name", f"wait {wait_s} s and try again",
                headers={"Retry-After": str(wait_s)},
            )  # fmt: skip
        self._asked_ns[name] = now_ns

    def failed(self, username: str) -> None:
        name = username.casefold()
        self._failures.setdefault(name, deque(maxlen=FREE)).append(self._clock.monotonic_ns())
        self._failures.move_to_end(name)
        while len(self._failures) > MOST_NAMES:
            gone, _ = self._failures.popitem(last=False)
            self._asked_ns.pop(gone, None)

    def succeeded(self, address: str, username: str) -> None:
        key = (address, username.casefold())
        self._known[key] = None
        self._known.move_to_end(key)
        while len(self._known) > MOST_NAMES:
            self._known.popitem(last=False)


NAMES: web.AppKey[Names] = web.AppKey("names", Names)
