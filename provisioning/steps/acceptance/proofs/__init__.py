"""The proofs of an acceptance, one file each, of one form: ``run(ground, subject, asked, say) -> Result``.

``ORDER`` is what one tap starts. Beside them are two that a person takes part in, with questions of their
own: ``walk`` (somebody walks) and ``power_cut`` (somebody pulls the plug).

A proof changes nothing on the box that it does not take back, and says in words what it could not do.
"""

import importlib
from pathlib import Path
from typing import Protocol, cast

import msgspec

from provisioning.ground import Ground
from provisioning.report.document import Result
from provisioning.step import Say
from provisioning.steps.acceptance.subject import Subject

ORDER = ("ups", "tunnel", "update_key", "channels", "cameras", "pictures", "disk")


class Asked(msgspec.Struct, frozen=True):
    """``minutes``: how long cameras are measured; ``folder``: where pictures are put; ``before``: results
    that are there already, by name."""

    minutes: float
    folder: Path
    before: dict[str, Result] = {}
    channels: bool = True


class Proof(Protocol):
    """What the file of a proof offers."""

    NAME: str
    TITLE: str

    async def run(self, ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
        """Raises ``ApplianceError`` only where the box itself does not answer."""


def load(name: str) -> Proof:
    """Raises ``ImportError`` for a name that is none."""
    return cast(Proof, importlib.import_module(f"{__name__}.{name}"))
