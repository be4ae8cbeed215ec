"""``image.toml``: what an image is made of, read and checked."""

import os
from pathlib import Path

import msgspec

from appliance.base.errors import invalid

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MIB = 1 << 20


class Size(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """MiB."""

    boot_mib: int
    slot_mib: int
    data_mib: int


class Boot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    packages: tuple[str, ...]
    arguments: str


class Initrd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    modules: tuple[str, ...]


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    id: int


class Enable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    units: tuple[str, ...]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``packages``: by what they are for. ``wheels``: a platform tag (PEP 600)."""

    name: str
    compatible: str
    architecture: str
    suite: str
    python: str
    wheels: str
    epoch: int
    size: Size
    packages: dict[str, tuple[str, ...]]
    boot: Boot
    initrd: Initrd
    user: User
    enable: Enable

    def debian(self) -> tuple[str, ...]:
        """All that is installed, sorted: the order of a file must change no byte of the image."""
        return tuple(sorted({name for group in self.packages.values() for name in group}))

    def sources(self) -> tuple[str, ...]:
        """apt's lines. Where from: ``ARIES_APT_MIRROR`` (a snapshot makes the image the same for years)."""
        mirror = os.environ.get("ARIES_APT_MIRROR", "http://deb.debian.org/debian").rstrip("/")
        security = os.environ.get("ARIES_APT_SECURITY", f"{mirror}-security")
        return (
            f"deb {mirror} {self.suite} main",
            f"deb {mirror} {self.suite}-updates main",
            f"deb {security} {self.suite}-security main",
        )


def read(path: Path = HERE / "image.toml") -> Recipe:
    """Raises ``invalid`` with what is wrong in it."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise invalid(f"{path}: {error.strerror}", "give --recipe a file that can be read") from error
    except msgspec.DecodeError as error:
        raise invalid(f"{path}: {error}", "firmware/image.toml is an example of all keys") from error
