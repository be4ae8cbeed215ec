"""Doing it, disk after disk: empty, mount, mark. Each part looks first whether it is so already."""

import os
import secrets
from pathlib import Path
from uuid import uuid4

import msgspec

from appliance.base.errors import ApplianceError
from appliance.base.ids import uuid7
from appliance.media.ring.volume import Identity, write_identity
from appliance.system import files
from appliance.system.disks import erase, mounts
from appliance.system.disks.erase import Machine
from appliance.system.owner import give_to_owner_of
from provisioning.ground import Ground
from provisioning.step import Say
from provisioning.steps.storage import state
from provisioning.steps.storage.state import Wanted

KEY_BYTES = 64
_OPTIONS = "noatime,nodev,nosuid,noexec"


def make(machine: Machine, ground: Ground, one: Wanted, own: str, say: Say) -> Wanted:
    """Empty it and make its file system. Raises what ``erase.held`` raises; nothing was touched then."""
    say(f"formatting {one.disk.key} ({one.disk.model or one.disk.kind}, {state.size(one.disk.size_bytes)})")
    uuid, inner = str(uuid4()), str(uuid4())
    with erase.held(machine, one.given.disk, one.given.format, own) as (disk, path):
        if not one.mapper:
            erase.ext4(machine, path, uuid, erase.label_of(disk))
        else:
            key = _new_key(ground.data_dir, one.mapper)
            # The key is 512 random bits: stretching it would cost memory at each start, and help nobody.
            machine.run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--uuid", uuid,
                        "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                        "--label", erase.label_of(disk), "--key-file", str(key), path)  # fmt: skip
            machine.run("cryptsetup", "open", "--key-file", str(key), path, one.mapper)
            erase.ext4(machine, f"/dev/mapper/{one.mapper}", inner, erase.label_of(disk))
    parts = (msgspec.structs.replace(disk.parts[0], kind="ext4", uuid=uuid),)
    return msgspec.structs.replace(one, part=parts[0], uuid=uuid)


def _new_key(data_dir: Path, mapper: str) -> Path:
    """64 random bytes beside the box's other secrets: the disk alone, stolen or thrown away, is mute."""
    path = state.key_file(data_dir, mapper)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(descriptor)
    return path


def mount(ground: Ground, one: Wanted, say: Say) -> None:
    """Its unit written, and itself mounted: by systemd where that runs, so that all see it."""
    changed = files.differing(state.machine_files(ground, [one]), ground.root)
    for file in changed:
        files.put(file, ground.root)
    systemd = ground.at("/run/systemd/system").is_dir()
    if systemd and changed:
        ground.programs.must("systemctl", "daemon-reload")
        ground.programs.must("systemctl", "enable", mounts.unit_name(one.where))
    if state.is_mounted(ground, one):
        return
    say(f"mounting {one.disk.key} at {one.where}")
    _make_place(ground.at(one.where))
    if systemd:
        ground.programs.must("systemctl", "start", mounts.unit_name(one.where), within_s=60.0)
    else:
        _mount_directly(ground, one)
    if not state.is_mounted(ground, one):
        raise ApplianceError(
            "unavailable", f"{one.disk.key} is not mounted at {one.where}", "look at `dmesg`"
        )


def _make_place(where: Path) -> None:
    """All may pass, whatever the umask; into the place itself, while nothing is mounted, nobody may write
    (R7)."""
    where.parent.mkdir(parents=True, exist_ok=True)
    where.parent.chmod(0o755)
    where.mkdir(exist_ok=True)
    if not os.path.ismount(where):
        where.chmod(0o000)


def _mount_directly(ground: Ground, one: Wanted) -> None:
    """Where no systemd runs."""
    where = ground.at(one.where)
    what = f"/dev/mapper/{one.mapper}" if one.mapper or one.part is None else f"/dev/{one.part.name}"
    ground.programs.must("mount", "-o", _OPTIONS, what, str(where))


def mark(ground: Ground, one: Wanted, own: str) -> None:
    """The identity file (R7), and the folder in the daemon's hands. Raises ``conflict`` where nothing is
    mounted: the system's disk never gets one there."""
    if not state.is_mounted(ground, one):
        raise ApplianceError("conflict", f"nothing is mounted at {one.where}", "plug the disk in again")
    where = ground.at(one.where)
    descriptor = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    try:
        give_to_owner_of(ground.data_dir, descriptor)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
    if state.identity_lacks(ground, one.where, own):
        now_ns = ground.clock.now_ns()
        write_identity(where, Identity(uuid7(now_ns), own, now_ns))
        with (where / ".volume.json").open("rb") as file:
            give_to_owner_of(ground.data_dir, file.fileno())
