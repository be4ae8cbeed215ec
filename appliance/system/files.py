"""Files of the machine (/etc/systemd/network, /etc/chrony ...) that are rendered whole from data: how one
differs from what is there, and putting it there whole or not at all.
"""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from appliance.base.durable import fsync_folder
from appliance.base.errors import ApplianceError


class MachineFile(msgspec.Struct, frozen=True):
    """``path``: absolute, under a ``root`` that is given apart. ``text`` None: no such file."""

    path: str
    text: str | None
    mode: int = 0o644

    def at(self, root: Path) -> Path:
        return root / self.path.lstrip("/")


def read(root: Path, path: str) -> str | None:
    """None where there is none. Raises ``denied`` where it may not be read."""
    try:
        return (root / path.lstrip("/")).read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ApplianceError(
            "denied", f"{path} cannot be read: {error.strerror}", "run it as root"
        ) from error


def differing(files: Iterable[MachineFile], root: Path) -> tuple[MachineFile, ...]:
    """Those that are not so already."""
    return tuple(file for file in files if read(root, file.path) != file.text)


def difference(file: MachineFile, root: Path) -> str:
    """As ``diff -u`` would show it; the whole text where there was no file."""
    before, after = read(root, file.path), file.text
    if before is None:
        return after or ""
    lines = difflib.unified_diff(
        before.splitlines(), (after or "").splitlines(), file.path, file.path, lineterm="", n=2
    )
    return "\n".join(lines)


def _make_folder(folder: Path) -> None:
    """Whatever the umask: who reads there (systemd-networkd, chronyd) is not root."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def put(file: MachineFile, root: Path) -> None:
    """There (or gone) and on stable storage afterwards; after a power cut the old one or the new one.
    Raises ``unavailable`` (a read-only root, a full disk)."""
    path = file.at(root)
    try:
        if file.text is None:
            path.unlink(missing_ok=True)
            return
        _make_folder(path.parent)
        partial = path.with_name(f".{path.name}.new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, file.mode)
        with os.fdopen(descriptor, "w") as out:
            os.fchmod(descriptor, file.mode)
            out.write(file.text)
            out.flush()
            os.fsync(descriptor)
        partial.rename(path)
        fsync_folder(path.parent)
    except OSError as error:
        text = f"{file.path} cannot be written: {error.strerror}"
        raise ApplianceError(
            "unavailable", text, "run it as root; is the system read-only, or full?"
        ) from error
