"""A model pack: a folder with ``model.toml`` and the files it names, each with its SHA-256."""

import difflib
import hashlib
import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError, invalid

# How a model is fed and read: ``detectors.families``.
FAMILIES = ("detr", "yolo", "yolox", "nanodet", "picodet", "openvino-ssd", "classifier")
DESCRIPTION = "model.toml"
RESERVED = ("auto", "motion")  # what `models activate` takes beside names
LARGEST_DESCRIPTION_BYTES = 1_000_000
MOST_FILES = 20
MOST_LABELS = 10_000
LONGEST_LABEL = 100
LONGEST_TEXT = 500
SMALLEST_SIDE, LARGEST_SIDE = 8, 4096
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._+-]{0,199}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class PackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    sha256: str


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``mean`` and ``std`` are in units of 0..1 per channel, in ``colour_order``; families that take
    0..255 ignore them. ``folder`` is where the files lie; it is not part of ``model.toml``."""

    name: str
    version: str
    family: str
    files: tuple[PackFile, ...]
    input_width: int
    input_height: int
    labels: tuple[str, ...]
    licence: str
    source: str
    layout: Literal["NCHW"] = "NCHW"
    colour_order: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fit: Literal["", "stretch", "corner", "centre"] = ""  # how pictures fit the input; "": as the family's do
    nms_iou: float = 0.0  # overlap from which the weaker box goes; 0: the family's
    first_label: int = 0  # the number a model gives the first label; 1 where it has a background before it
    precision: Literal["f32", "half"] = "f32"  # half: measured, so the chip may round where that is faster
    folder: str = ""

    def file(self, suffix: str) -> Path:
        """The first file of that kind, its SHA-256 checked. Raises ``not_found``, ``data_loss``."""
        for entry in self.files:
            if entry.path.endswith(suffix):
                return _checked(self, entry)
        raise not_there(f"*{suffix}", self.name)


def not_there(file: str, pack: str) -> ApplianceError:
    hint = "get the model pack again, with all files that its model.toml names"
    return ApplianceError("not_found", f"the model pack {pack} has no file {file}", hint)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_files(pack: Pack) -> None:
    """Every file is there and is what the pack names. Raises ``not_found``, ``data_loss``."""
    for entry in pack.files:
        _checked(pack, entry)


def _checked(pack: Pack, entry: PackFile) -> Path:
    path = Path(pack.folder, entry.path)
    if not path.is_file():
        raise not_there(entry.path, pack.name)
    if sha256(path) != entry.sha256:
        hint = "get the model pack again, and install it"
        raise ApplianceError("data_loss", f"{entry.path} is not what {pack.name} names", hint)
    return path


def load_pack(folder: Path) -> Pack:
    """Read ``folder/model.toml``; the files themselves are not opened.

    Raises ``not_found``, or ``invalid`` with the offending field and the mend. The folder is not named: it
    may be one that nobody but the box knows.
    """
    path = folder / DESCRIPTION
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for until somebody writes
            raise invalid(f"{DESCRIPTION} is not a file", "take it away, and install the model pack again")
        with path.open("rb") as file:
            body = file.read(LARGEST_DESCRIPTION_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        hint = f"give a folder that holds a {DESCRIPTION}"
        raise ApplianceError("not_found", f"there is no model pack in {folder.name}", hint) from None
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ApplianceError(
            "unavailable", f"{DESCRIPTION}: {reason}", "look at the disk it lies on"
        ) from error
    if len(body) > LARGEST_DESCRIPTION_BYTES:
        raise invalid(
            f"{DESCRIPTION} is larger than a megabyte", "it describes a model, it does not hold one"
        )
    return msgspec.structs.replace(read_description(body, DESCRIPTION), folder=str(folder))


def read_description(body: bytes, where: str) -> Pack:
    """The text of a ``model.toml``; ``where`` names it in errors. Raises ``invalid`` with ``field``."""
    try:
        table = tomllib.loads(body.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"{where} is not TOML: {error}", 'write lines like: name = "door"') from error
    for key in table:
        if key not in Pack.__struct_fields__ or key == "folder":
            near = difflib.get_close_matches(key, _known(), n=1, cutoff=0.0)[0]
            raise invalid(f"{where}: unknown key {key!r}", f"did you mean {near!r}?", field=key)
    try:
        pack = msgspec.convert(table, Pack)
    except msgspec.ValidationError as error:
        field = _field_of(str(error))
        raise invalid(f"{where}: {error}", _mend(field), field=field) from error
    for field, fault in _faults(pack):
        raise invalid(f"{where}: {field} {fault}", _mend(field), field=field)
    return pack


def _faults(pack: Pack) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it); the text completes "FIELD ..."."""
    if not _NAME.fullmatch(pack.name) or pack.name in RESERVED:
        yield "name", f"{pack.name[:60]!r} is not a name for a pack"
    for field in ("version", "licence", "source"):
        text = getattr(pack, field)
        if not text.strip() or not text.isprintable() or len(text) > LONGEST_TEXT:
            yield field, "is empty, too long, or not one line"
    if pack.family not in FAMILIES:
        yield "family", f"{pack.family[:60]!r} is not known"
    yield from _file_faults(pack.files)
    for field in ("input_width", "input_height"):
        if not SMALLEST_SIDE <= getattr(pack, field) <= LARGEST_SIDE:
            yield field, f"is {getattr(pack, field)}, outside {SMALLEST_SIDE} to {LARGEST_SIDE}"
    if not 1 <= len(pack.labels) <= MOST_LABELS:
        yield "labels", f"has {len(pack.labels)} names"
    for label in pack.labels:
        if not label.strip() or not label.isprintable() or len(label) > LONGEST_LABEL:
            yield "labels", f"holds {label[:60]!r}, which is no name"
    yield from _number_faults(pack)


def _number_faults(pack: Pack) -> Iterator[tuple[str, str]]:
    if not all(map(math.isfinite, pack.mean)):
        yield "mean", "is not three numbers"
    if not all(math.isfinite(value) and value > 0 for value in pack.std):
        yield "std", "is not three numbers above 0"
    if not 0 <= pack.nms_iou <= 1:
        yield "nms_iou", "is not 0 to 1"
    if not 0 <= pack.first_label <= MOST_LABELS:
        yield "first_label", "is no number of a class"


def _file_faults(files: tuple[PackFile, ...]) -> Iterator[tuple[str, str]]:
    if not 1 <= len(files) <= MOST_FILES:
        yield "files", f"names {len(files)} files"
    for entry in files:
        if not _FILE.fullmatch(entry.path) or entry.path == DESCRIPTION:
            yield "files.path", f"{entry.path[:60]!r} is not a plain file name"
        if not _SHA256.fullmatch(entry.sha256):
            yield "files.sha256", f"{entry.sha256[:70]!r} is not 64 digits 0-9 a-f"
    if len({entry.path for entry in files}) != len(files):
        yield "files.path", "names one file twice"


def _known() -> list[str]:
    return [field for field in Pack.__struct_fields__ if field != "folder"]


def _field_of(error: str) -> str:
    """msgspec says ``... - at `$.files[0].sha256` `` or names a missing field in back quotes."""
    if found := re.search(r"at `\$\.([^`]+)`", error):
        place = re.sub(r"\[[^\]]*\]", "", found[1])
        if missing := re.search(r"(?:required|unknown) field `([^`]+)`", error):
            return f"{place}.{missing[1]}"
        return place
    found = re.search(r"field `([^`]+)`", error)
    return found[1] if found else DESCRIPTION


def _mend(field: str) -> str:
    whole = "mend model.toml, or install the pack again"
    return _MENDS.get(field) or _MENDS.get(field.partition(".")[0]) or whole


_MENDS = {
    "name": "letters, digits, dots and dashes, at most 63; not auto or motion",
    "version": 'a text, for example version = "1"',
    "family": f"one of {', '.join(FAMILIES)}",
    "files": f"one to {MOST_FILES} [[files]] tables, each with path and sha256",
    "files.path": "a file beside model.toml, without folders",
    "files.sha256": "what `sha256sum FILE` prints",
    "input_width": f"pixels, {SMALLEST_SIDE} to {LARGEST_SIDE}",
    "input_height": f"pixels, {SMALLEST_SIDE} to {LARGEST_SIDE}",
    "labels": "the classes' names in the model's order, a list of texts",
    "licence": 'the licence of the weights, for example licence = "Apache-2.0"',
    "source": "where the model comes from, one line",
    "layout": 'layout = "NCHW"',
    "colour_order": '"RGB" or "BGR"',
    "mean": "three numbers in units of 0..1, for example [0.485, 0.456, 0.406]",
    "fit": '"stretch", "corner" or "centre"; left out, it is the family\'s',
    "nms_iou": "0 to 1; 0, or left out, is the family's",
    "first_label": "0, or 1 where the model counts a background before its classes",
    "std": "three numbers above 0 in units of 0..1, for example [0.229, 0.224, 0.225]",
}
