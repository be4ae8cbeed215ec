"""What every request is answered from: nothing in it that another instance would miss."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from appliance import __version__
from appliance.base.clock import Clock
from appliance.hub.files import Files
from appliance.hub.keys import CommandKey
from appliance.hub.settings import HubSettings
from appliance.hub.store import Store
from appliance.hub.turns import Turns
from appliance.store.sealing import Sealer
from appliance.web.people.passwords import Passwords


@dataclass
class Hub:
    """``finishing``: uploads that this instance is putting together just now, so that a box that asks
    again does not begin it again; another instance may do the same, with the same result. ``ordered``:
    boxes that have commands to pull, each with its newest ``seq``, as of a second ago, and ``bell`` for
    who waits for that. ``turns``: of batches, on this instance."""

    store: Store
    files: Files
    clock: Clock
    settings: HubSettings
    sealer: Sealer
    command_key: CommandKey
    passwords: Passwords = field(default_factory=Passwords)
    version: str = __version__
    host: str = ""  # where this instance listens; "": everywhere
    fingerprint: str = ""  # SHA-256 of the certificate of our own making that this instance shows
    finishing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    ordered: dict[str, int] = field(default_factory=dict)
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    turns: Turns = field(default_factory=Turns)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
