"""Model packs: a folder with ``model.toml`` and the files it names, each with its SHA-256.

A few models are so well known that the bare file is enough: its SHA-256 says which it is.
"""

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError, invalid, not_found

DEFAULT = ("deimv2-femto", "yolox-nano")  # what ``auto`` takes, best first
FAMILIES = {"detr": "onnxruntime", "yolox": "onnxruntime"}  # family -> backend

_COCO = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,"
    "handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,"
    "surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,"
    "broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,"
    "mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,"
    "teddy bear,hair drier,toothbrush"
)
COCO: tuple[str, ...] = tuple(_COCO.split(","))


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
    folder: str = ""

    @property
    def backend(self) -> str:
        return FAMILIES[self.family]

    def file(self, suffix: str) -> Path:
        """The first file of that kind, its SHA-256 checked. Raises ``not_found``, ``data_loss``."""
        for entry in self.files:
            if entry.path.endswith(suffix):
                path = Path(self.folder, entry.path)
                if not path.is_file():
                    raise not_found("model file", entry.path)
                if sha256(path) != entry.sha256:
                    hint = f"install the model pack again: appliance models install {self.name}"
                    raise ApplianceError("data_loss", f"{entry.path} is not what {self.name} names", hint)
                return path
        raise not_found("model file", f"*{suffix}")


def _coco(
    name: str, family: str, file: str, digest: str, source: str, colours: Literal["RGB", "BGR"]
) -> Pack:
    return Pack(
        name=name,
        version="1",
        family=family,
        files=(PackFile(file, digest),),
        input_width=416,
        input_height=416,
        labels=COCO,
        licence="Apache-2.0",
        source=source,
        colour_order=colours,
    )


KNOWN = (
    _coco(
        "deimv2-femto",
        "detr",
        "deimv2_femto_416.onnx",
        "c6ad358f750132b891165e034c2ba507abefc5ebe1c1d2732a0acbcacc47e52c",
        "Kazuhito00/DEIMv2-ONNX-Sample: model/deimv2_hgnetv2_femto_coco.onnx",
        "RGB",
    ),
    _coco(
        "yolox-nano",
        "yolox",
        "yolox_nano_416.onnx",
        "695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14",
        "Kazuhito00/YOLOX-ONNX-TFLite-Sample: model/yolox_nano.onnx",
        "BGR",
    ),
)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(folder: Path) -> Pack:
    """Read ``folder/model.toml``. Raises ``invalid`` with the offending field."""
    path = folder / "model.toml"
    try:
        table = tomllib.loads(path.read_text())
        pack = msgspec.convert({**table, "folder": str(folder)}, Pack)
    except FileNotFoundError:
        raise not_found("model pack", folder.name) from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise invalid(f"{path}: {error}", "mend model.toml, or install the pack again") from error
    if pack.family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise invalid(f"{path}: unknown family {pack.family!r}", f"known ones: {known}", field="family")
    outside = [entry.path for entry in pack.files if Path(entry.path).name != entry.path]
    if outside:
        raise invalid(f"{path}: {outside[0]!r} is not a plain file name", field="files.path")
    return pack


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
                yield load(path.parent)
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
