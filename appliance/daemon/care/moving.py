"""A box that moves onto new hardware: which of its volumes came with it, and which begin anew.

A known path without its identity is a missing disk and is never written to (R7). That is right for a box
whose disk was unplugged, and would leave a restored one on new hardware without recording. So a restore
settles it, once, and says what it did.
"""

from functools import partial
from pathlib import Path

from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.daemon.stores import open_appliance
from appliance.media.ring.volume import read_identity
from appliance.store import volumes
from appliance.store.volumes import VolumeRow
from appliance.system import disk


def settle(config: Config) -> list[str]:
    """A sentence per volume. One that is to be recorded on and has no identity, in a folder of the box or on
    a disk that is mounted there, is forgotten, so that it begins anew at the next start."""
    db = open_appliance(config.data_dir)
    try:
        rows = db.read_now(volumes.list_volumes)
        said = []
        for row in rows:
            text, forget = _look(row, config)
            said.append(text)
            if forget:
                db.write_now(partial(volumes.forget, volume_id=row.id))
    finally:
        db.close()
    return said


def _look(row: VolumeRow, config: Config) -> tuple[str, bool]:
    path = Path(row.path)
    try:
        identity = read_identity(path) if path.is_dir() else None
    except ApplianceError as error:
        return f"{path}: {error.message}; {error.hint}", False
    if identity is not None and identity.id == row.id:
        return f"{path}: the disk is here, with its footage", False
    if identity is not None:
        return f"{path}: another disk is mounted here; mount the right one, or name this one as well", False
    if path not in config.volumes:
        return f"{path}: not here. Its footage is shown again once the disk is mounted", False
    if path.is_relative_to(config.data_dir) or _is_own_disk(path):
        return (
            f"{path}: empty here. What is recorded from now on goes there; the old footage is not here",
            True,
        )
    return f"{path}: no disk is mounted there. Nothing is recorded on it until one is", False


def _is_own_disk(path: Path) -> bool:
    mount = disk.mount_of(path)
    return path.is_dir() and mount is not None and Path(mount.point) == path
