"""The one button: what ``details`` found and the camera lets us set, set right."""

import aiohttp
import msgspec

from appliance.base.clock import Clock
from appliance.base.model import Credentials
from appliance.onvif.details import Details


class Mended(msgspec.Struct, frozen=True):
    """One per mendable finding, by its ``code``; ``text`` says what was set, or why not."""

    code: str
    text: str
    ok: bool


async def mend(
    details: Details,
    credentials: Credentials,
    *,
    session: aiohttp.ClientSession,
    clock: Clock,
    ntp_server: str | None,
) -> tuple[Mended, ...]:
    """Changes nothing that is not among the findings; each change is read back. ``ntp_server`` None: the
    clock is set once, and nothing keeps it right."""
    raise NotImplementedError
