"""Kinds of targets: a target's file is imported only when such a target is used or checked."""

import importlib
from types import ModuleType
from typing import Final, get_args

from appliance.base.errors import ApplianceError, invalid
from appliance.store.targets import Kind, Target
from appliance.sync.targets import SyncTarget
from appliance.sync.targets.given import Given

KINDS: Final[tuple[str, ...]] = get_args(Kind)


def make(given: Given) -> SyncTarget:
    """The target that ``given.target.kind`` names. Raises ``unavailable`` where its extra is missing,
    ``invalid`` where it makes no sense."""
    kind = given.target.kind
    try:
        target: SyncTarget = _module(kind).make(given)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("appliance"):
            raise
        raise ApplianceError(
            "unavailable",
            f"a target of kind {kind} needs {error.name}, which is not installed",
            f"install it with: pip install 'aries-edge[{kind}]'",
        ) from error
    return target


def check(target: Target, secret: str | None) -> None:
    """Raises ``invalid`` with the field that is wrong, as far as the target's own file knows."""
    own = getattr(_module(target.kind), "check", None)
    if own is not None:
        own(target, secret)


def _module(kind: str) -> ModuleType:
    if kind not in KINDS:
        raise invalid(f"{kind[:20]!r} is no kind of target", f"one of {', '.join(KINDS)}", field="kind")
    name = f"appliance.sync.targets.{kind}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ApplianceError(
            "unavailable", f"this version cannot speak to a target of kind {kind}", "update the box"
        ) from error
