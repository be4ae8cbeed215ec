"""What a change of the network consists of, and its undoing, as data: written down before it is done."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from appliance.system.files import MachineFile
from appliance.system.network.links import Link
from appliance.system.network.settings import NetworkSettings


class Steps(msgspec.Struct, frozen=True):
    """First ``put``, then ``run``; undone: ``undo_remove``, then ``undo_run``, each command whatever became
    of the one before it. ``put`` is in what a restart of the machine forgets."""

    put: tuple[MachineFile, ...] = ()
    run: tuple[tuple[str, ...], ...] = ()
    undo_remove: tuple[str, ...] = ()
    undo_run: tuple[tuple[str, ...], ...] = ()


class Backend(Protocol):
    """A way to change ports: ``networkd.steps`` on a box, ``direct.steps`` elsewhere. Pure."""

    def __call__(self, found: NetworkSettings, links: Sequence[Link], root: Path) -> Steps: ...
