"""The form of a step: what is there (``probe``), what would be done (``plan``), do it (``apply``), look
whether it holds (``verify``). The wizard's pages and ``appliance-provision`` drive the same steps.

Every step is idempotent: planned again after it was applied, its plan is empty.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from appliance.base.errors import ApplianceError
from provisioning.ground import Ground

Say = Callable[[str], None]  # a sentence of progress, for a person; never a secret


class Change(msgspec.Struct, frozen=True):
    """One thing that ``apply`` would do. ``detail``: the text of a file, a difference, rules: shown when it
    is asked for. ``typed``: cannot be undone, so a person types exactly this (a disk's serial) first."""

    text: str
    detail: str = ""
    typed: str = ""


class Plan(msgspec.Struct, frozen=True):
    """Empty ``changes``: all of it is so already. ``notes``: what a person should know and nothing mends."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


class Applied(msgspec.Struct, frozen=True):
    """``confirm_within_s``: undone by itself unless ``confirm`` comes in time; 0: it stays.
    ``address``: where the wizard is to be found from now on, if elsewhere."""

    confirm_within_s: float = 0.0
    address: str = ""


class Check(msgspec.Struct, frozen=True):
    """One line of ``verify``. ``hint``: the next step where it is not ``ok``."""

    name: str
    ok: bool
    text: str
    hint: str = ""


Given = TypeVar("Given", bound=msgspec.Struct)


class Step(Protocol[Given]):
    """``given``: a frozen struct with ``forbid_unknown_fields``, the section ``[name]`` of answers.toml and
    the form of the page alike. Raises ``ApplianceError`` with ``field`` (within the section) for an answer
    that cannot be; nothing is half-done then. ``optional``: may be skipped."""

    name: ClassVar[str]
    title: ClassVar[str]
    optional: ClassVar[bool]
    given: type[Given]

    async def probe(self, ground: Ground) -> msgspec.Struct:
        """What is there now, for the page: quick (<= 5 s), changes nothing, no secrets."""

    async def plan(self, ground: Ground, given: Given) -> Plan: ...

    async def apply(self, ground: Ground, given: Given, say: Say) -> Applied: ...

    async def verify(self, ground: Ground, given: Given | None) -> tuple[Check, ...]:
        """``given`` None: nobody answers any more (resumed after a restart); look at what is there."""

    async def confirm(self, ground: Ground) -> None:
        """A person, or an unattended run whose checks passed, says that it holds."""

    async def ask(self, ground: Ground, what: str, body: dict[str, Any]) -> msgspec.Struct:
        """A question that the page has while somebody answers it (find cameras, try a channel, walk)."""


class BaseStep(Generic[Given]):
    """What most steps need not say."""

    optional: ClassVar[bool] = False

    async def confirm(self, ground: Ground) -> None:
        return

    async def ask(self, ground: Ground, what: str, body: dict[str, Any]) -> msgspec.Struct:
        raise ApplianceError("not_found", f"this step knows no question {what[:40]!r}", "reload the page")
