"""What is done and what was skipped, in ``DIR/.provisioning/record.json``: no answers in it, no secrets.

It is replaced whole (a new file, fsync, rename, fsync of the folder), so that a wizard killed at any byte
finds the old record or the new one. A step is marked after it was verified: killed in between, it is
planned again, and its plan is empty or the rest of it.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base.clock import Clock, rfc3339
from appliance.base.errors import ApplianceError
from appliance.system.owner import give_to_owner_of

log = logging.getLogger(__name__)

FOLDER = ".provisioning"  # first boot passes over what begins with a dot
WANTED = ".wizard-wanted"  # a reset leaves it: systemd starts the wizard then
PROVISIONED = "provisioned"  # the units look for it (ConditionPathExists=)

State = Literal["todo", "done", "skipped"]


class Mark(msgspec.Struct, frozen=True):
    """``findings``: a person went on although checks had failed. ``at``: RFC 3339."""

    state: Literal["done", "skipped"]
    at: str
    findings: bool = False


class Kept(msgspec.Struct, frozen=True):
    steps: dict[str, Mark] = {}


class Record:
    """The record of the box in ``data_dir``; nothing is made before the first mark."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._path = data_dir / FOLDER / "record.json"
        self._kept = self._read()

    def of(self, name: str) -> Mark | None:
        return self._kept.steps.get(name)

    def mark(self, name: str, state: Literal["done", "skipped"], *, findings: bool = False) -> None:
        mark = Mark(state, rfc3339(self._clock.now_ns()), findings)
        self._kept = Kept({**self._kept.steps, name: mark})
        make_folder(self._data_dir)
        write_whole(self._path, msgspec.json.format(msgspec.json.encode(self._kept)))

    @property
    def is_provisioned(self) -> bool:
        return (self._data_dir / PROVISIONED).exists()

    def begin(self) -> None:
        """Somebody is at it: nobody need start the wizard any more."""
        (self._data_dir / WANTED).unlink(missing_ok=True)

    def finish(self, version: str) -> None:
        """The last file that the wizard writes: from now on the box's own unit starts."""
        fact = {"at": rfc3339(self._clock.now_ns()), "version": version}
        self.begin()
        write_whole(self._data_dir / PROVISIONED, msgspec.json.encode(fact))

    def _read(self) -> Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return Kept()
        except (msgspec.DecodeError, OSError) as error:
            # Nothing is lost: a step that is planned again finds what it did before.
            log.warning("the wizard's record cannot be read and begins anew: %s", error)
            return Kept()


def make_folder(data_dir: Path) -> Path:
    """``DIR/.provisioning``. Raises ``unavailable`` where it cannot be made."""
    folder = data_dir / FOLDER
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        hand_over(folder)
    except OSError as error:
        raise ApplianceError(
            "unavailable",
            f"{data_dir} cannot be used: {error.strerror}",
            "give --data a folder on a local disk that this user may write",
            field="data_dir",
        ) from error
    return folder


@contextlib.contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Held while a wizard, or a file of answers, works on ``data_dir``. Raises ``conflict``."""
    path = make_folder(data_dir) / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ApplianceError(
            "conflict",
            f"{data_dir} is being provisioned already",
            "finish in the wizard that runs, or stop it: systemctl stop aries-provision",
        ) from error
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """``path`` is its old self or ``data``, whatever happens; only its folder's owner reads it."""
    partial = path.with_name(f"{path.name}.new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        give_to_owner_of(path.parent, file.fileno())
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def hand_over(path: Path) -> None:
    """What root makes in the box's folder belongs to who owns that folder: its daemon reads it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        give_to_owner_of(path.parent, descriptor)
    finally:
        os.close(descriptor)
