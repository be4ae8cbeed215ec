"""What lies in the folders, and which pack is used."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from appliance.base.errors import ApplianceError
from appliance.vision.packs.catalogue import KNOWN
from appliance.vision.packs.pack import Pack, PackFile, load_pack, sha256

DEFAULT = ("deimv2-femto", "yolox-nano")  # what ``auto`` takes, best first


def pack_from_onnx(path: Path) -> Pack | None:
    """The pack of a known bare model file, or None. Matched by content, not by name."""
    digest = sha256(path)
    for known in KNOWN:
        if known.files[0].sha256 == digest:
            return msgspec.structs.replace(
                known, files=(PackFile(path.name, digest),), folder=str(path.parent)
            )
    return None


def installed(models_dirs: Sequence[Path]) -> Iterator[Pack]:
    """Every usable pack below the folders, packs with a ``model.toml`` first. Broken ones are
    passed over here; ``load`` says what is wrong with one."""
    for directory in models_dirs:
        for path in sorted(directory.glob("*/model.toml")):
            try:
                yield load_pack(path.parent)
            except ApplianceError:
                continue
    for directory in models_dirs:
        for path in sorted({*directory.glob("*.onnx"), *directory.glob("models/*.onnx")}):
            if (pack := pack_from_onnx(path)) is not None:
                yield pack


def choose(choice: str, models_dirs: Sequence[Path]) -> tuple[Pack | None, str]:
    """The pack to use and, where it is not what was asked for, the reason in words.

    ``choice``: ``auto`` (the best known one), ``motion`` (None, no reason), or a pack's name.
    """
    if choice == "motion":
        return None, ""
    wanted = DEFAULT if choice == "auto" else (choice,)
    found: dict[str, Pack] = {}
    for pack in installed(models_dirs):
        found.setdefault(pack.name, pack)
        if pack.name == wanted[0]:
            return pack, ""
    for name in wanted:
        if name in found:
            return found[name], ""
    if choice == "auto" and found:
        return next(iter(found.values())), ""
    return None, f"no model pack {wanted[0]!r} is installed: run `appliance models install {wanted[0]}`"
