"""Getting a model pack and putting it into ``models_path``: whole and checked, or not at all.

Where it comes from, in this order: the folder a person names, what lies in the box's own folders, a
stick that is mounted, the network. A box without a network installs from a stick.
"""

import errno
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from appliance.base.clock import BoxClock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.daemon.assets import Asset, Assets
from appliance.daemon.models.download import Progress, fetch
from appliance.vision.packs import catalogue, installed
from appliance.vision.packs.catalogue import Place
from appliance.vision.packs.pack import DESCRIPTION, Pack, PackFile, load_pack, sha256
from appliance.vision.packs.placing import copy_pack, place, same_files, workplace, write_pack
from appliance.vision.packs.zipped import unzip

PARTS = ".downloads"  # in models_path: what has arrived so far
STICKS = (Path("/media"), Path("/run/media"))  # where desktops and udisks mount them

Agree = Callable[[Pack], None]  # shows the licence; raises where the owner does not accept it
Meter = Callable[[str], Progress]  # of the file of that name, which is on its way


def install(
    what: str,
    config: Config,
    source: Path | None,
    digest: str | None,
    agree: Agree,
    meter: Meter,
    looks: str | None = None,
) -> Pack:
    """``what``: a known pack's name, one in ``source``, a file or folder, or an https address. ``looks``: the
    pack that is in use, which other files must not replace. Blocks.

    Raises ``conflict`` (the pack's name), ``not_found``, ``invalid`` (not a pack), ``data_loss`` (another
    SHA-256), ``unavailable``, ``denied`` (cannot be read or written), ``exhausted`` (no room).
    """
    if digest is not None and not _is_digest(digest):
        raise invalid("this is no SHA-256", "64 digits 0-9 a-f, as `sha256sum FILE` prints", field="sha256")
    with guarded(config.models_path), workplace(config.models_path) as scratch:
        folder = _gather(what, config, source, digest.lower() if digest else None, scratch, meter)
        pack = load_pack(folder)
        agree(pack)
        if pack.name == looks:
            must_be_the_same(pack, config.models_path)
        return place(folder, config.models_path)


def must_be_the_same(pack: Pack, models_path: Path) -> None:
    """Else the next worker would begin with files that nobody has seen at work."""
    try:
        there = load_pack(models_path / pack.name)
    except ApplianceError:
        return  # what is broken may be replaced
    if not same_files(pack, there):
        hint = f"give the new one another name (name in {DESCRIPTION}), install it, and activate it"
        raise ApplianceError("conflict", f"{pack.name} is in use, and these are other files", hint)


@contextmanager
def guarded(models_path: Path) -> Iterator[None]:
    """Says what the disk said. Around everything that reads a stick or writes a pack."""
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else str(models_path)
        why = error.strerror or "it cannot be used"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some space, then try again"
            raise ApplianceError("exhausted", f"{models_path}: the disk is full", hint) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            hint = f"packs go into {models_path}: it must be writable, and the source readable"
            raise ApplianceError("denied", f"{name}: {why}", hint) from error
        hint = "look at the disk or the stick, then try again"
        raise ApplianceError("unavailable", f"{name}: {why}", hint) from error


def _gather(
    what: str, config: Config, source: Path | None, digest: str | None, scratch: Path, meter: Meter
) -> Path:
    """A folder with ``model.toml`` and its files, below ``scratch``."""
    folder = scratch / "pack"
    pack = catalogue.known(what)
    if pack is not None:
        return _known(pack, config, source, folder, meter)
    if "://" in what:
        name = file_name(what)
        path = scratch / name
        _download(what, name, digest, config, meter).rename(path)
    else:
        path = _local(what, source)
        if digest is not None and (not path.is_file() or sha256(path) != digest):
            raise ApplianceError("data_loss", f"{what} does not have that SHA-256", "get it again")
    if path.is_dir():
        copy_pack(path, folder)
    elif zipfile.is_zipfile(path):
        copy_pack(unzip(path, scratch / "zip"), folder)
    else:
        if path.suffix.lower() == ".zip":
            raise ApplianceError("data_loss", f"{path.name} is no whole .zip", "get it again")
        found = installed.pack_from_onnx(path)
        if found is None:
            hint = (
                f"give a pack (a .zip or folder); or describe it on the box: appliance models add {path.name}"
            )
            raise invalid(f"{path.name} is a model that nobody described", hint)
        write_pack(found, {entry.path: path.parent / entry.path for entry in found.files}, folder)
    return folder


def _local(what: str, source: Path | None) -> Path:
    """A path, or below ``source`` a pack's folder or .zip of that name."""
    tried = [Path(what)] if source is None else [source / what, source / f"{what}.zip", Path(what)]
    for path in tried:
        if path.is_file() or (path / DESCRIPTION).is_file():
            return path
    if Path(what).is_dir():
        raise invalid(f"{what} holds no {DESCRIPTION}", "give a pack: a folder with model.toml, or its .zip")
    known = ", ".join(pack.name for pack in catalogue.KNOWN)
    hint = f"known names: {known}; or give a folder, a .zip or an https address"
    raise ApplianceError("not_found", f"there is no model pack {what!r}", hint)


def _known(pack: Pack, config: Config, source: Path | None, folder: Path, meter: Meter) -> Path:
    """Each file of it: found by content in the folders, else fetched."""
    parts = config.models_path / PARTS
    folders = (source,) if source is not None else (config.models_path, *config.assets_path, *STICKS)
    if source is not None and not source.is_dir():
        raise not_found("folder", str(source))
    found: dict[str, Path] = {}
    for entry, place_ in zip(pack.files, catalogue.places(pack), strict=True):
        asset = Asset(entry.path, entry.sha256, place_.bytes_, place_.url, pack.licence)
        path = Assets(folders, parts, BoxClock()).find(asset)
        if path is None and source is not None:
            hint = (
                f"give the folder that has {entry.path} with --from DIR, or leave it out to use the network"
            )
            raise ApplianceError("not_found", f"{source} has no file of {pack.name}", hint)
        found[entry.path] = path or _fetched(entry, place_, parts, meter)
    write_pack(pack, found, folder)
    for entry in pack.files:
        (parts / entry.sha256).unlink(missing_ok=True)
    return folder


def _fetched(entry: PackFile, place_: Place, parts: Path, meter: Meter) -> Path:
    with closing(meter(entry.path)) as progress:
        return fetch(place_.url, entry.sha256, parts, progress, place_.bytes_)


def _download(url: str, name: str, digest: str | None, config: Config, meter: Meter) -> Path:
    if not url.lower().startswith("https://"):
        raise invalid("models are fetched over https only", "download it yourself and give the file")
    if digest is None:
        raise invalid("a model from an address needs its SHA-256", "add --sha256 HEX", field="sha256")
    with closing(meter(name)) as progress:
        return fetch(url, digest, config.models_path / PARTS, progress)


def file_name(url: str) -> str:
    """The last part of the path, as a plain name; the query is left out."""
    try:
        last = unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        last = ""
    kept = "".join(letter for letter in last if letter.isascii() and (letter.isalnum() or letter in "._-"))
    return kept.lstrip(".")[-100:] or "model"


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text.lower())
