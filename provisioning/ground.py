"""What every step stands on: the data folder, the clock, programs of the machine, the box's own daemon."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from appliance.base.clock import Clock
from appliance.system.programs import Programs


class Daemon(Protocol):
    """The box's daemon, a child that answers on loopback only, spoken to as its first administrator.
    ``provisioning.daemon`` starts it when it is first asked and stops it at the end."""

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """JSON of ``/api/v1`` + ``path``; None for 204. Raises the daemon's own ``ApplianceError``
        (kind, message, hint, field), or ``unavailable`` where it does not answer."""

    async def fetch(self, path: str) -> tuple[str, bytes]:
        """Content type and bytes (a snapshot, a clip)."""

    async def restart(self) -> None:
        """After a change of ``appliance.toml``; returns when it is ready again."""

    async def initialise(self, name: str, password: str) -> None:
        """Make the data folder a box with its first administrator. Raises what ``appliance init`` says."""

    async def restore(self, file: Path, passphrase: str) -> None:
        """Make the data folder the box of a backup. Raises what ``appliance restore`` says."""

    @property
    def is_box(self) -> bool:
        """False until the administrator's step has made the folder a box: nothing can be asked before."""


@dataclass(frozen=True)
class Ground:
    """``root``: in front of absolute paths of the machine (/etc, /sys): "/" on a box, a folder in tests.
    ``run``: the folder of what does not outlive a boot (/run/aries)."""

    data_dir: Path
    clock: Clock
    programs: Programs
    daemon: Daemon
    root: Path = Path("/")
    run: Path = Path("/run/aries")

    def at(self, path: str) -> Path:
        """``path`` (absolute) under ``root``."""
        return self.root / path.lstrip("/")
