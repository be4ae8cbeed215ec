"""How the tunnel is, in the words that the screen shows, each with the operator's next step.

The program that runs the tunnel may not be the daemon (it needs a right that the daemon has not), so the
state lies in a file beside the databases, written when it changes; its lock says whether anybody runs it.
"""

import fcntl
import os
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError
from appliance.system.owner import give_to_owner_of

FILE, LOCK = "tunnel.json", ".tunnel.lock"

Word = Literal["up", "no handshake since", "probe fails", "endpoint does not resolve", "off"]

STEPS: dict[Word, str] = {
    "up": "",
    "no handshake since": "look whether this box reaches the internet and the endpoint's UDP port is open; "
    "if both are, the endpoint may not know this box's key: enrol again",
    "probe fails": "the tunnel is there and the hub behind it does not answer: look at the hub",
    "endpoint does not resolve": "look at this box's name server, or give the endpoint by its address",
    "off": "put it up: appliance tunnel up",
}


class TunnelState(msgspec.Struct, frozen=True):
    """Times are UTC in ns. ``handshake_ns``: the last one, None: none yet. ``detail``: what happened, in
    words. ``backend`` and ``because``: what makes the tunnel, and why that. ``endpoint``: host:port as it
    was set last. ``heals``: how often the endpoint was set again; ``restarts``: how
    often the interface was made again."""

    state: Word = "off"
    since_ns: int = 0
    detail: str = ""
    hint: str = STEPS["off"]
    handshake_ns: int | None = None
    endpoint: str = ""
    backend: str = ""
    because: str = ""
    public_key: str = ""
    rotation: str = "steady"
    heals: int = 0
    restarts: int = 0


def write(data_dir: Path, state: TunnelState) -> None:
    """Whole or not at all; not synced: after a power cut it is made anew."""
    partial = data_dir / f".{FILE}.new"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        give_to_owner_of(data_dir, descriptor)
        file.write(msgspec.json.encode(state))
    partial.rename(data_dir / FILE)


def read(data_dir: Path) -> TunnelState | None:
    """The newest; None where no program runs the tunnel here now."""
    if not running(data_dir):
        return None
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=TunnelState)
    except (OSError, msgspec.DecodeError):
        return None


class Turn:
    """Who runs the tunnel of one box: one program, until it closes this or dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, data_dir: Path) -> "Turn":
        """Raises ``conflict`` where another program has it."""
        descriptor = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_to_owner_of(data_dir, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ApplianceError(
                "conflict",
                "another program runs this box's tunnel",
                "one is enough; see `appliance tunnel status`",
            ) from error
        return cls(descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def running(data_dir: Path) -> bool:
    """Whether somebody has the turn."""
    if not (data_dir / LOCK).exists():
        return False
    try:
        Turn.take(data_dir).close()
    except ApplianceError:
        return True
    return False
