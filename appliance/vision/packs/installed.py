"""What lies in the folders, and which pack is used."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from appliance.base.errors import ApplianceError
from appliance.vision.packs import catalogue
from appliance.vision.packs.catalogue import KNOWN
from appliance.vision.packs.pack import DESCRIPTION, Pack, PackFile, load_pack, not_there, sha256

DEFAULT = ("deimv2-femto", "yolox-nano")  # what ``auto`` takes, best first
_BARE = ("*.onnx", "models/*.onnx", "*.xml", "models/*.xml")


def pack_from_onnx(path: Path) -> Pack | None:
    """The pack of a known bare model file, or None. Matched by content, not by name: an OpenVINO
    graph needs its weights beside it, under the same name. Raises ``OSError``."""
    if not path.is_file():  # a folder, a link to nowhere, a pipe that would be waited for
        return None
    digest = sha256(path)
    for known in KNOWN:
        if known.files[0].sha256 != digest:
            continue
        files = tuple(
            PackFile(path.with_suffix(Path(entry.path).suffix).name, entry.sha256) for entry in known.files
        )
        if all((path.parent / entry.path).is_file() for entry in files):
            return msgspec.structs.replace(known, files=files, folder=str(path.parent))
    return None


def installed(models_dirs: Sequence[Path]) -> Iterator[Pack]:
    """Every usable pack below the folders, packs with a ``model.toml`` first. Broken ones are
    passed over here; ``broken`` says what is wrong with them."""
    for folder in _folders(models_dirs):
        try:
            yield load_pack(folder)
        except ApplianceError:
            continue
    for directory in models_dirs:
        for path in sorted({found for pattern in _BARE for found in directory.glob(pattern)}):
            try:
                pack = pack_from_onnx(path)
            except OSError:  # taken away just now, or of a disk that fails: no reason to stop
                continue
            if pack is not None:
                yield pack


def path_of(pack: Pack) -> Path:
    """What names it to another process: its folder, or the file of a known bare model."""
    folder = Path(pack.folder)
    return folder if (folder / DESCRIPTION).is_file() else folder / pack.files[0].path


def not_installed(name: str) -> ApplianceError:
    if catalogue.known(name) is not None:
        hint = f"install it: appliance models install {name}"
        return ApplianceError("not_found", f"the model {name} is not installed", hint)
    return ApplianceError(
        "not_found", f"there is no model {name[:60]!r}", "which there are: appliance models list"
    )


def broken(models_dirs: Sequence[Path]) -> Iterator[tuple[Path, ApplianceError]]:
    """Folders with a description that cannot be used, or whose files are missing; and why."""
    for folder in _folders(models_dirs):
        try:
            pack = load_pack(folder)
        except ApplianceError as error:
            yield folder, error
            continue
        for entry in pack.files:
            if not (folder / entry.path).is_file():
                yield folder, not_there(entry.path, pack.name)
                break


def _folders(models_dirs: Sequence[Path]) -> Iterator[Path]:
    for directory in models_dirs:
        for path in sorted(directory.glob("*/model.toml")):
            if not path.parent.name.startswith("."):  # what an installer is building, or left
                yield path.parent


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
    detecting = [pack for pack in found.values() if pack.family != "classifier"]
    if choice == "auto" and detecting:
        return detecting[0], ""
    name = wanted[0]
    hint = f"install it under Settings, Models (or: appliance models install {name})"
    return None, f"no model pack {name!r} is installed: {hint}"
