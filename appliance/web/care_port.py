"""What the web asks of the daemon to take care of the box, and what it is told."""

from pathlib import Path
from typing import Literal, Protocol

import msgspec

from appliance.base.model import User

JobKind = Literal["support", "backup"]
Phase = Literal["working", "done", "failed"]
Footage = Literal["keep", "delete"]
ResetPhase = Literal["waiting", "begun", "over"]


class Job(msgspec.Struct, frozen=True):
    """``step``: of a backup copying, writing or reading; of a bundle the part that is asked for. ``done`` of
    ``all``: bytes of that step, or parts. ``size_bytes``: of what was made. ``folder``: of the stick."""

    kind: JobKind
    phase: Phase
    began_at: str
    ended_at: str | None = None
    step: str = ""
    done: int = 0
    all: int = 0
    folder: str = ""
    name: str = ""
    size_bytes: int = 0
    parts: int = 0
    message: str = ""
    hint: str = ""


class OnStick(msgspec.Struct, frozen=True):
    """``writable``: by the box. ``backups``: of this box or another, that lie on it; ``newest``: name of the
    newest of them."""

    folder: str
    name: str
    size_bytes: int
    free_bytes: int
    writable: bool
    backups: int
    newest: str


class LastBackup(msgspec.Struct, frozen=True):
    """The newest that was put on a stick since the box was set up or restored."""

    at: str
    name: str
    folder: str
    size_bytes: int


class Reset(msgspec.Struct, frozen=True):
    """``waiting`` for the stick, ``until``; ``begun``: the box ends in a moment, and forgets all at its next
    start; ``over``: nothing was changed. ``message``: of the last stick, or why it is over."""

    phase: ResetPhase
    footage: Footage
    until: str
    message: str = ""


class CareState(msgspec.Struct, frozen=True):
    """``support``, ``backup``: the last of each since the daemon started, or the one that is being made.
    ``reset``: None where none is asked for."""

    support: Job | None
    backup: Job | None
    last_backup: LastBackup | None
    sticks: list[OnStick]
    reset: Reset | None = None


class Care(Protocol):
    """One job at a time: what begins another raises ``conflict``."""

    async def state(self) -> CareState: ...

    async def make_support(self) -> None:
        """Begin; how it goes is in the state."""

    async def back_up(self, folder: str, passphrase: str, by: User) -> None:
        """Begin. Raises ``not_found`` where there is no such stick, ``invalid`` for a weak passphrase."""

    async def ask_reset(self, footage: Footage, by: User) -> None:
        """From now on a stick with the box's id is waited for: who plugs it in stands before the box."""

    async def call_off_reset(self, by: User) -> None: ...

    def bundle(self) -> Path:
        """The bundle that was made last. Raises ``not_found``."""
