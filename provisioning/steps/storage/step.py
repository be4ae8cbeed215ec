"""probe → plan → apply → verify."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from appliance.media.ring.volume import read_identity
from appliance.system import files
from appliance.system.disk import usage
from appliance.system.disks import erase, health, mounts
from appliance.system.disks.erase import Machine
from appliance.system.disks.found import Disk, Health
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say
from provisioning.steps.storage import bootstrap, days, state, work
from provisioning.steps.storage.given import DiskFound, DiskGiven, StorageFound, StorageGiven
from provisioning.steps.storage.state import Wanted


class Storage(BaseStep[StorageGiven]):
    name: ClassVar[str] = "storage"
    title: ClassVar[str] = "Storage"
    given = StorageGiven

    def machine(self, ground: Ground) -> Machine:
        return state.machine(ground)

    async def probe(self, ground: Ground) -> StorageFound:
        own = await state.own_id(ground)
        disks = (await state.look(self.machine(ground))).all
        healths = await asyncio.gather(*(asyncio.to_thread(health.of, one, ground.programs) for one in disks))
        volumes = bootstrap.volumes(ground.data_dir)
        found = tuple(
            _found(disk, how, volumes, ground.root, own) for disk, how in zip(disks, healths, strict=True)
        )
        now = tuple(DiskGiven(disk.key) for disk in found if disk.volume)
        system_disk = bootstrap.default(ground.data_dir) in volumes
        return StorageFound(
            found,
            await days.need(ground.daemon),
            _free(ground.data_dir),
            state.can_encrypt(ground),
            StorageGiven(now, system_disk),
        )

    async def plan(self, ground: Ground, given: StorageGiven) -> Plan:
        own = await state.own_id(ground)
        found = await self._wanted(ground, given, own)
        changes = [change for one in found for change in _changes(ground, one, own)]
        told = _volumes(ground, given, found)
        if told != bootstrap.volumes(ground.data_dir):
            text = bootstrap.with_volumes(bootstrap.read(ground.data_dir), told)
            changes.append(Change(f"footage goes to {', then '.join(told)}", text))
        dropped = files.differing([mounts.drop_in(_places(told))], ground.root)
        if dropped:
            detail = files.difference(dropped[0], ground.root)
            changes.append(Change("the daemon may write there", detail))
        return Plan(tuple(changes), await _notes(ground, given, found))

    async def _wanted(self, ground: Ground, given: StorageGiven, own: str) -> list[Wanted]:
        disks = await state.look(self.machine(ground))
        return state.wanted(disks, given.disks, ground.root, own, encrypts=state.can_encrypt(ground))

    async def apply(self, ground: Ground, given: StorageGiven, say: Say) -> Applied:
        own = await state.own_id(ground)
        machine = self.machine(ground)
        found = await self._wanted(ground, given, own)
        done: list[Wanted] = []
        for one in found:
            ready = await asyncio.to_thread(work.make, machine, ground, one, own, say) if one.formats else one
            await asyncio.to_thread(work.mount, ground, ready, say)
            await asyncio.to_thread(work.mark, ground, ready, own)
            done.append(ready)
        told = _volumes(ground, given, done)
        for file in files.differing([mounts.drop_in(_places(told))], ground.root):
            files.put(file, ground.root)
            if ground.at("/run/systemd/system").is_dir():
                await asyncio.to_thread(ground.programs.must, "systemctl", "daemon-reload")
        if told != bootstrap.volumes(ground.data_dir):
            say("telling the box where footage goes")
            text = bootstrap.with_volumes(bootstrap.read(ground.data_dir), told)
            bootstrap.write(ground.data_dir, text)
            await ground.daemon.restart()
        return Applied()

    async def verify(self, ground: Ground, given: StorageGiven | None) -> tuple[Check, ...]:
        own = await state.own_id(ground)
        need = await days.need(ground.daemon)
        checks, free = [], 0
        for path in bootstrap.volumes(ground.data_dir):
            where = ground.at(path) if path.startswith(mounts.PLACE) else Path(path)
            checks.append(_volume_check(ground, path, where, own))
            free += _free(where)
        return (*checks, Check("days of footage", True, days.in_words(free, need)))


def _changes(ground: Ground, one: Wanted, own: str) -> list[Change]:
    about = f"{one.disk.model or one.disk.kind}, {state.size(one.disk.size_bytes)}, serial {one.disk.key}"
    if one.formats:
        lost = "; ".join(state.words(one.disk)) or "nothing that is known"
        how = "encrypted, " if one.mapper else ""
        detail = f"{one.disk.node} now ({one.disk.number}, {one.disk.seq}); on it: {lost}"
        text = f"everything on this disk is lost: {about}; made new ({how}ext4), mounted at {one.where}"
        return [Change(text, detail, erase.phrase(one.disk, own))]
    changed = files.differing(state.machine_files(ground, [one]), ground.root)
    if changed or not state.is_mounted(ground, one):
        detail = "\n\n".join(files.difference(file, ground.root) for file in changed)
        return [Change(f"mounted at {one.where} as it is: {about}", detail)]
    if state.identity_lacks(ground, one.where, own):
        return [Change(f"marked as this box's: {about}")]
    return []


def _volumes(ground: Ground, given: StorageGiven, found: Sequence[Wanted]) -> tuple[str, ...]:
    """Disks in the order in which they were named, volumes that nobody named, the system's disk last."""
    own = bootstrap.default(ground.data_dir)
    named = [str(ground.at(one.where)) for one in found]
    before = [path for path in bootstrap.volumes(ground.data_dir) if path != own and path not in named]
    last = [own] if given.system_disk or not (named or before) else []
    return (*named, *before, *last)


def _places(volumes: Sequence[str]) -> list[str]:
    return [path for path in volumes if mounts.PLACE in path]


async def _notes(ground: Ground, given: StorageGiven, found: Sequence[Wanted]) -> tuple[str, ...]:
    need = await days.need(ground.daemon)
    room = sum(days.room(one.disk.size_bytes) for one in found)
    room += _free(ground.data_dir) if given.system_disk or not found else 0
    said = [days.in_words(room, need)]
    if any(one.mapper and one.formats for one in found):
        said.append("the key of an encrypted disk lies on the system's: whoever takes both can read it")
    for one in found:
        how = await asyncio.to_thread(health.of, one.disk, ground.programs)
        if how.passed is False:
            said.append(f"{one.disk.key} says that it is failing: choose another disk")
    return tuple(said)


def _volume_check(ground: Ground, path: str, where: Path, own: str) -> Check:
    name = f"volume {path}"
    if mounts.PLACE in path and not where.is_mount():
        return Check(name, False, "it is not mounted", "plug the disk in, then apply this step again")
    found = read_identity(where) if where.is_dir() else None
    if found is None:
        return Check(name, False, "it has no identity file", "apply this step again")
    if found.device_id != own:
        return Check(name, False, "it belongs to another box", "choose another disk, or empty it")
    return Check(name, True, f"there, {state.size(_free(where))} for footage")


def _free(folder: Path) -> int:
    """Without the reserve that retention keeps."""
    try:
        found = usage(folder)
    except OSError:
        return 0
    return max(0, found.free_bytes - (found.total_bytes - days.room(found.total_bytes)))


def _found(disk: Disk, how: Health, volumes: Sequence[str], root: Path, own: str) -> DiskFound:
    ours = state.ours_on(disk, root, own) is not None
    place = str(root / mounts.place(disk.key).lstrip("/"))
    refused = None if ours else erase.refusal(disk)
    owner = "own" if ours else {"": "", "?": "encrypted"}.get(disk.owner, "foreign")
    return DiskFound(
        disk.key,
        disk.name,
        disk.model,
        disk.kind,
        disk.size_bytes,
        disk.system,
        how,
        state.words(disk),
        refused[0] if refused else "",
        "" if refused or ours else erase.phrase(disk, own),
        ours or (refused is None and state.usable(disk) is not None),
        owner,
        ours and place in volumes,
    )
