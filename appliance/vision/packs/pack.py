"""A model pack: a folder with ``model.toml`` and the files it names, each with its SHA-256."""

import hashlib
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError, invalid, not_found

FAMILIES = ("detr", "yolox")  # how a model is fed and read: ``detectors.families``


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


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_pack(folder: Path) -> Pack:
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
