"""May this bundle be installed on this box? Pure: facts in, a refusal in words or None out."""

import re
from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError

Why = Literal["signature", "hardware", "older", "room", "busy", "space", "unknown"]
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,5}")


class Manifest(msgspec.Struct, frozen=True):
    """What a bundle says of itself, once its signature was found to be right. ``image_bytes``: the root."""

    compatible: str
    version: str
    image_bytes: int = 0


class Facts(msgspec.Struct, frozen=True):
    """``manifest`` None: the signature is not right, ``signature`` says in which way. ``slot_bytes``: of the
    slot to be written, 0: not known. ``free_bytes``: for the copies of ``database_bytes``."""

    manifest: Manifest | None
    running_version: str
    compatible: str
    slot_bytes: int = 0
    free_bytes: int = 0
    database_bytes: int = 0
    on_trial: bool = False
    signature: Literal["wrong_key", "tampered", "no_bundle", ""] = ""


def key(version: str) -> tuple[int, ...] | None:
    """``1.10`` is newer than ``1.9``, and ``1.9`` is ``1.9.0``. None: cannot be compared."""
    if not _VERSION.fullmatch(version):
        return None
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def refusal(facts: Facts, *, allow_older: bool = False) -> ApplianceError | None:
    """The first thing that stands in the way; None: it may be installed. ``allow_older``: of all of this a
    person may overrule the version alone."""
    if facts.on_trial:
        return _no(
            "conflict", "the last update has not proved itself yet", "wait until it is good, or went back"
        )
    if facts.manifest is None:
        return _no("invalid", *_SIGNATURE.get(facts.signature, _SIGNATURE["no_bundle"]))
    manifest = facts.manifest
    if manifest.compatible != facts.compatible:
        return _no(
            "invalid", f"this bundle is for {manifest.compatible[:60]!r}, this box is {facts.compatible!r}",
            "get the bundle for this hardware",
        )  # fmt: skip
    if (refused := _version(manifest.version, facts.running_version)) is not None and not allow_older:
        return refused
    if facts.slot_bytes and manifest.image_bytes > facts.slot_bytes:
        return _no(
            "exhausted", f"it needs {_mib(manifest.image_bytes)}, a boot slot has {_mib(facts.slot_bytes)}",
            "this box needs a bundle made for its size of slots",
        )  # fmt: skip
    if facts.free_bytes < 2 * facts.database_bytes:
        return _no(
            "exhausted", f"copies of the databases need {_mib(2 * facts.database_bytes)}, free are"
            f" {_mib(facts.free_bytes)}", "free space on the system disk",
        )  # fmt: skip
    return None


def _version(wanted: str, running: str) -> ApplianceError | None:
    new, now = key(wanted), key(running)
    if new is None or now is None:
        return _no(
            "invalid", f"version {wanted[:40]!r} cannot be compared with {running!r}", "get another bundle"
        )
    if new == now:
        return _no("invalid", f"version {wanted} is the one that runs", "nothing needs to be done")
    if new < now:
        return _no(
            "invalid", f"version {wanted} is older than {running}, which runs",
            "older versions have faults that are known: if it must be, allow it when you install it",
        )  # fmt: skip
    return None


def _no(kind: Literal["invalid", "conflict", "exhausted"], message: str, hint: str) -> ApplianceError:
    return ApplianceError(kind, message, hint, field="bundle")


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"


_SIGNATURE = {
    "wrong_key": ("it is signed with a key that this box does not know", "get the maker's own bundle"),
    "tampered": (
        "its content is not what was signed: it was changed, or damaged on the way",
        "fetch it again",
    ),
    "no_bundle": ("this is not an update bundle", "take the file that ends in .raucb"),
    "": ("this is not an update bundle", "take the file that ends in .raucb"),
}
