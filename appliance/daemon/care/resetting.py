"""Factory reset: the box forgets whose it was, and can be claimed again.

``DIR/.reset.json`` is written first and deleted last: a reset that was cut short at any point is finished at
the next start, and nothing of the box runs in between. What stays in the folder is a list; all else goes.

With footage kept, the box keeps its id, its volumes and the names of its cameras, all archived: the footage
is there for whoever claims the box next, and ages out. With footage deleted it is as new.
"""

import logging
import os
import shutil
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base import config as configuration
from appliance.base.clock import Clock, rfc3339
from appliance.base.config import Config
from appliance.base.durable import fsync_folder
from appliance.base.errors import ApplianceError
from appliance.daemon.stores import APPLIANCE, ARCHIVE, open_appliance
from appliance.media.ring.volume import IDENTITY, read_identity
from appliance.store import forgetting, settings, volumes
from appliance.system import ballast
from appliance.system.instance import LOCK_NAME, Instance

log = logging.getLogger(__name__)

MARKER = ".reset.json"
NEW_DATABASE = ".reset.db"
PROVISIONED = "provisioned"
WANTED = ".wizard-wanted"  # aries-provision.path waits for it, the wizard takes it away
STICK_FILE = "ARIES-RESET.txt"
_LARGEST_PROOF_BYTES = 4096
Footage = Literal["keep", "delete"]

# What says nothing of the last owner: room on the disk, and models, which are large and no secret.
_STAYS = {MARKER, LOCK_NAME, ballast.NAME, "models", "lost+found"}
_STAYS_WITH_FOOTAGE = {APPLIANCE, ARCHIVE, configuration.FILE_NAME}


class Reset(msgspec.Struct, frozen=True):
    """``volumes``: absolute paths of the disks that are this box's. ``provisioned``: a wizard made this box,
    so one is to make it again."""

    footage: Footage
    volumes: tuple[str, ...]
    asked_at: str
    provisioned: bool = False


def begin(config: Config, footage: Footage, clock: Clock) -> None:
    """From here on the box is reset, whatever happens; ``finish`` does it. Raises ``conflict`` where it runs,
    ``data_loss`` where footage is to be kept and what it needs is damaged."""
    with Instance.hold(config.data_dir):
        begin_here(config, footage, clock)


def begin_here(config: Config, footage: Footage, clock: Clock) -> None:
    """As ``begin``, for the daemon that holds the folder: it ends itself then, and its next start does it."""
    known = _volumes(config, must_know=footage == "keep")
    provisioned = (config.data_dir / PROVISIONED).exists()
    reset = Reset(footage, tuple(map(str, known)), rfc3339(clock.now_ns()), provisioned)
    _write_whole(config.data_dir / MARKER, msgspec.json.encode(reset))


def is_proof(stick: Path, device_id: str) -> bool:
    """Whether this stick holds the file with the box's id, which somebody put on it."""
    try:
        with (stick / STICK_FILE).open("rb") as file:
            said = file.read(_LARGEST_PROOF_BYTES).decode(errors="replace").strip()
    except OSError:
        return False
    return bool(device_id) and said == device_id


def begun(data_dir: Path) -> bool:
    return (data_dir / MARKER).exists()


def finish(data_dir: Path, clock: Clock) -> Reset | None:
    """Do it, or the rest of it. None where none was begun. Blocks for as long as deleting footage takes.
    Raises ``unavailable`` where the disk refuses; it is tried again at the next start."""
    try:
        reset = msgspec.json.decode((data_dir / MARKER).read_bytes(), type=Reset)
    except FileNotFoundError:
        return None
    with Instance.hold(data_dir):
        try:
            _carry_out(data_dir, reset, clock)
        except OSError as error:
            raise ApplianceError(
                "unavailable",
                f"the reset is not finished: {error.filename or data_dir}: {error.strerror}",
                "mend the disk, then start the box: it goes on with the reset",
            ) from error
    log.warning("this box was reset to how it was delivered; footage: %s", reset.footage)
    return reset


def _carry_out(data_dir: Path, reset: Reset, clock: Clock) -> None:
    # First, so that no unit takes the box for one that is somebody's.
    (data_dir / PROVISIONED).unlink(missing_ok=True)
    keeps = reset.footage == "keep"
    roots = [Path(path) for path in reset.volumes]
    if keeps and (data_dir / APPLIANCE).exists():
        _forget_all_but_footage(data_dir, clock)
    if not keeps:
        for root in roots:
            _empty(root)
    stays = _STAYS | (_STAYS_WITH_FOOTAGE if keeps else set())
    inside = {root.relative_to(data_dir).parts[0] for root in roots if root.is_relative_to(data_dir)}
    for entry in sorted(data_dir.iterdir()):
        is_anothers = entry not in roots and (entry / IDENTITY).exists()
        if entry.name not in stays and not (keeps and entry.name in inside) and not is_anothers:
            _remove(entry)
    if reset.provisioned:
        (data_dir / WANTED).touch()
    fsync_folder(data_dir)
    (data_dir / MARKER).unlink()
    fsync_folder(data_dir)


def _forget_all_but_footage(data_dir: Path, clock: Clock) -> None:
    """The new database takes the place of the old one in one step. Done twice it is the same."""
    new, old = data_dir / NEW_DATABASE, data_dir / APPLIANCE
    forgetting.footage_only(old, new, clock.now_ns())
    for end in ("-wal", "-shm"):  # closed just now, so that all of it is in the file
        old.with_name(f"{old.name}{end}").unlink(missing_ok=True)
    new.rename(old)
    fsync_folder(data_dir)


def _volumes(config: Config, *, must_know: bool) -> list[Path]:
    """The configured ones and those that the database knows, as far as they are this box's (R7)."""
    paths = list(config.volumes)
    device_id = ""
    try:
        db = open_appliance(config.data_dir)
        try:
            device_id = db.read_now(settings.device_id)
            paths += [Path(row.path) for row in db.read_now(volumes.list_volumes)]
        finally:
            db.close()
    except ApplianceError:
        if must_know:
            raise
    return [path for path in dict.fromkeys(paths) if _is_ours(path, device_id, path in config.volumes)]


def _is_ours(path: Path, device_id: str, is_configured: bool) -> bool:
    """Another box's disk is never emptied. Without a database only what the configuration names is."""
    try:
        identity = read_identity(path) if path.is_dir() else None
    except ApplianceError:
        return is_configured
    if identity is None:
        return False
    return identity.device_id == device_id if device_id else is_configured


def _empty(root: Path) -> None:
    """Its identity goes last: until then it is a volume of this box, and nobody else's."""
    if not root.is_dir():
        return
    for entry in sorted(root.iterdir(), key=lambda path: path.name == IDENTITY):
        if entry.name != "lost+found":
            _remove(entry)
    fsync_folder(root)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    fsync_folder(path.parent)
