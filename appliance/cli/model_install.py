"""Putting a model pack into ``models_path``: whole and checked, or not at all."""

import json
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.clock import BoxClock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.daemon.assets import MODEL, Asset, Assets, bar, sha256
from appliance.vision.packs import catalogue, installed
from appliance.vision.packs.pack import Pack, PackFile, load_pack

LARGEST_BYTES = 2_000_000_000
MOST_FILES = 20


def install(what: str, config: Config, source: Path | None, digest: str | None) -> Pack:
    """``what``: a known pack's name, a file or folder, or an https address.

    Raises ``not_found``, ``invalid`` (not a pack), ``data_loss`` (another SHA-256), ``unavailable``.
    """
    try:
        config.models_path.mkdir(parents=True, exist_ok=True)
        # beside its final place: the rename at the end is atomic
        with tempfile.TemporaryDirectory(prefix=".install-", dir=config.models_path) as name:
            scratch = Path(name)
            return _put(_gather(what, config, source, digest, scratch), config.models_path)
    except OSError as error:
        raise ApplianceError(
            "unavailable", f"{config.models_path} cannot be written: {error.strerror}", "free some space"
        ) from error


def _gather(what: str, config: Config, source: Path | None, digest: str | None, scratch: Path) -> Path:
    """A folder with ``model.toml`` and its files, below ``scratch``."""
    known = {pack.name: pack for pack in catalogue.KNOWN}
    if what in known:
        return _known(known[what], config, source, scratch)
    if "://" in what:
        path = _download(what, digest, scratch)
    else:
        path = Path(what)
        if not path.exists():
            raise not_found("model pack", what)
        if digest is not None and (not path.is_file() or sha256(path) != digest.lower()):
            raise ApplianceError("data_loss", f"{what} does not have that SHA-256", "get it again")
    folder = scratch / "pack"
    if path.is_dir():
        _copy_pack(path, folder)
    elif zipfile.is_zipfile(path):
        _unzip(path, scratch / "zip")
        inner = list((scratch / "zip").rglob("model.toml"))
        if len(inner) != 1:
            raise invalid(f"{what} holds no model.toml", "zip the folder that has it")
        _copy_pack(inner[0].parent, folder)
    else:
        pack = installed.pack_from_onnx(path)
        if pack is None:
            hint = "give a folder or .zip with a model.toml that describes it"
            raise invalid(f"{path.name} is a model that nobody described", hint)
        _write_pack(pack, path, folder)
    return folder


def _known(pack: Pack, config: Config, source: Path | None, scratch: Path) -> Path:
    entry = pack.files[0]
    folders = (source,) if source is not None else (config.models_path, *config.assets_path)
    for folder in folders:
        for path in sorted({*folder.glob("*.onnx"), *folder.glob("*/*.onnx")}):
            if sha256(path) == entry.sha256:
                _write_pack(pack, path, scratch / "pack")
                return scratch / "pack"
    if source is not None or entry.sha256 != MODEL.sha256:
        where = str(source) if source is not None else "any assets folder"
        raise ApplianceError(
            "not_found", f"{where} has no file of {pack.name}", "give its folder with --from DIR"
        )
    path = Assets((), scratch / "fetched", BoxClock()).download(MODEL, bar(MODEL.name), threading.Event())
    _write_pack(pack, path, scratch / "pack")
    return scratch / "pack"


def _download(url: str, digest: str | None, scratch: Path) -> Path:
    if not url.startswith("https://"):
        raise invalid("models are fetched over https only", "download it yourself and give the file")
    if digest is None or len(digest) != 64:
        raise invalid("a model from an address needs its SHA-256", "add --sha256 HEX", field="sha256")
    asset = Asset(Path(url).name or "model", digest.lower(), LARGEST_BYTES, url, "")
    return Assets((), scratch / "fetched", BoxClock()).download(asset, None, threading.Event())


def _copy_pack(source: Path, folder: Path) -> None:
    """Only ``model.toml`` and what it names; a pack brings nothing else along."""
    pack = load_pack(source)
    folder.mkdir()
    shutil.copyfile(source / "model.toml", folder / "model.toml")
    for entry in pack.files:
        if not (source / entry.path).is_file():
            raise not_found("model file", entry.path)
        shutil.copyfile(source / entry.path, folder / entry.path)


def _write_pack(pack: Pack, model: Path, folder: Path) -> None:
    folder.mkdir()
    name = pack.files[0].path
    shutil.copyfile(model, folder / name)
    described = msgspec.structs.replace(pack, files=(PackFile(name, pack.files[0].sha256),))
    fields = msgspec.to_builtins(described)
    del fields["folder"]
    (folder / "model.toml").write_text(_toml(fields))


def _toml(fields: dict[str, Any]) -> str:
    """Plain values first, then the one table array; JSON's strings and lists are TOML's too."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items() if key != "files"]
    for entry in fields["files"]:
        lines += ["", "[[files]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    return "\n".join(lines) + "\n"


def _unzip(path: Path, folder: Path) -> None:
    """Plain files with plain names, of a bounded size (a zip may say less than it unpacks to)."""
    folder.mkdir()
    left = LARGEST_BYTES
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MOST_FILES:
            raise invalid(f"{path.name} holds too many files", f"a pack has at most {MOST_FILES}")
        for entry in entries:
            parts = Path(entry.filename).parts
            if len(parts) > 2 or ".." in parts or entry.filename.startswith("/"):
                raise invalid(f"{path.name} holds the path {entry.filename!r}", "zip a single folder")
            target = folder.joinpath(*parts)
            target.parent.mkdir(exist_ok=True)
            with archive.open(entry) as source, target.open("xb") as out:
                while chunk := source.read(1 << 20):
                    left -= len(chunk)
                    if left < 0:
                        raise ApplianceError(
                            "exhausted", f"{path.name} is too large", "at most 2 GB unpacked"
                        )
                    out.write(chunk)


def _put(folder: Path, models_path: Path) -> Pack:
    pack = load_pack(folder)
    if Path(pack.name).name != pack.name or pack.name.startswith("."):
        raise invalid(f"{pack.name!r} is not a name for a folder", field="name")
    for entry in pack.files:
        if sha256(folder / entry.path) != entry.sha256:
            raise ApplianceError(
                "data_loss", f"{entry.path} is not what model.toml names", "get the pack again"
            )
    target = models_path / pack.name
    old = models_path / f".{pack.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    folder.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return load_pack(target)
