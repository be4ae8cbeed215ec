"""What things on this box are called, for a hub that asks (``sync.protocol.directory``)."""

import logging
from collections.abc import Awaitable, Callable

from appliance.sync.protocol import directory
from appliance.sync.targets.hub.link import Link, Silence

log = logging.getLogger(__name__)

LARGEST_ANSWER_BYTES = 65_536


class Names:
    """``read``: the directory as it is now, in JSON. ``digest`` is what a heartbeat says; ``tell`` sends
    what that digest was of, once: what a hub refused is not told to it every 30 s."""

    def __init__(
        self, link: Link, read: Callable[[], Awaitable[bytes]], charge: Callable[[int], None]
    ) -> None:
        self._link, self._read, self._charge = link, read, charge
        self._body = b""
        self._refused = ""

    async def digest(self) -> str:
        """Raises what the database raises."""
        self._body = await self._read()
        return directory.digest(self._body)

    async def tell(self) -> None:
        """A hub that is silent is no failure: its next answer asks again."""
        digest = directory.digest(self._body)
        if digest == self._refused:
            return
        try:
            reply = await self._link.ask("PUT", "/directory", self._body, most_bytes=LARGEST_ANSWER_BYTES)
        except Silence as silence:
            log.debug("the hub was not told any names: %s", silence)
            return
        self._charge(reply.sent_bytes)
        if 400 <= reply.status < 500 and reply.status not in (408, 429):
            self._refused = digest
            log.warning("the hub takes no names from us: %s", self._link.verdict(reply).error)
