"""Storage on real (loop) devices: formatted, mounted, marked, told to the daemon; and never the wrong one."""

import hashlib
import subprocess
import tomllib
from pathlib import Path

import pytest

from appliance.base.errors import ApplianceError
from appliance.media.ring.volume import Identity, read_identity, write_identity
from provisioning.steps.storage import bootstrap, state
from provisioning.steps.storage.given import DiskGiven, StorageGiven

LINES: list[str] = []


async def keys(step, ground):
    return [disk.key for disk in (await step.probe(ground)).disks]


def content(name) -> str:
    return hashlib.sha256(Path(f"/dev/{name}").read_bytes()).hexdigest()


async def test_one_is_formatted_and_the_other_is_not_touched(step, loops, ground, own_id):
    first, _ = await keys(step, ground)
    other = content(loops[1])
    given = StorageGiven((DiskGiven(first, format=first),))
    plan = await step.plan(ground, given)
    assert [change.typed for change in plan.changes] == [first, "", ""]
    await step.apply(ground, given, LINES.append)
    assert content(loops[1]) == other
    (volume, last) = tomllib.loads((ground.data_dir / "appliance.toml").read_text())["volumes"]
    assert last == str(ground.data_dir / "recordings")
    identity = read_identity(Path(volume))
    assert identity is not None and identity.device_id == own_id
    assert Path(volume).is_mount() and ground.daemon.restarts == 1
    assert all(check.ok for check in (await step.verify(ground, given))[:1])

    again = await step.plan(ground, given)  # the serial is still typed in the answers: nothing is lost
    assert again.changes == ()
    await step.apply(ground, given, LINES.append)
    assert read_identity(Path(volume)) == identity
    assert ground.daemon.restarts == 1


async def test_after_a_restart_it_is_mounted_again_and_not_formatted(step, loops, ground):
    first, _ = await keys(step, ground)
    given = StorageGiven((DiskGiven(first, format=first),))
    await step.apply(ground, given, LINES.append)
    volume = Path(tomllib.loads((ground.data_dir / "appliance.toml").read_text())["volumes"][0])
    (volume / "footage").write_text("precious")
    subprocess.run(["umount", str(volume)], check=True)
    (change,) = (await step.plan(ground, given)).changes
    assert change.typed == "" and "as it is" in change.text
    check = (await step.verify(ground, given))[0]
    assert not check.ok and "not mounted" in check.text
    await step.apply(ground, given, LINES.append)
    assert (volume / "footage").read_text() == "precious"


async def test_without_its_own_serial_nothing_is_written(step, loops, ground):
    first, second = await keys(step, ground)
    before = [content(name) for name in loops]
    for typed in ("", "loop", second, first.lower() + " "):
        with pytest.raises(ApplianceError) as refused:
            await step.apply(ground, StorageGiven((DiskGiven(first, format=typed),)), LINES.append)
        assert refused.value.field == "disks.0.format"
    assert [content(name) for name in loops] == before
    assert not ground.root.exists()


async def test_what_is_mounted_is_not_formatted(step, loops, ground, tmp_path):
    first, _ = await keys(step, ground)
    subprocess.run(["mkfs.ext4", "-q", f"/dev/{loops[0]}"], check=True)
    (tmp_path / "stick").mkdir()
    subprocess.run(["mount", f"/dev/{loops[0]}", str(tmp_path / "stick")], check=True)
    (tmp_path / "stick/file").write_text("of somebody")
    given = StorageGiven((DiskGiven(first, format=first),))
    with pytest.raises(ApplianceError, match="in use at"):
        await step.apply(ground, given, LINES.append)
    assert (tmp_path / "stick/file").read_text() == "of somebody"


async def test_another_box_s_footage_needs_a_word_more(step, loops, ground, tmp_path, own_id):
    first, _ = await keys(step, ground)
    subprocess.run(["mkfs.ext4", "-q", f"/dev/{loops[0]}"], check=True)
    (tmp_path / "stick").mkdir()
    subprocess.run(["mount", f"/dev/{loops[0]}", str(tmp_path / "stick")], check=True)
    write_identity(tmp_path / "stick", Identity("v", "another box", 1))
    subprocess.run(["umount", str(tmp_path / "stick")], check=True)
    disk = (await step.probe(ground)).disks[0]
    assert (disk.owner, disk.phrase, disk.usable) == ("foreign", f"ERASE {first}", False)
    for wrong in ("", first):
        with pytest.raises(ApplianceError):
            await step.plan(ground, StorageGiven((DiskGiven(first, format=wrong),)))
    given = StorageGiven((DiskGiven(first, format=f"ERASE {first}"),))
    assert (await step.plan(ground, given)).changes[0].typed == f"ERASE {first}"
    await step.apply(ground, given, LINES.append)
    volume = tomllib.loads((ground.data_dir / "appliance.toml").read_text())["volumes"][0]
    assert read_identity(Path(volume)).device_id == own_id


async def test_one_with_a_file_system_is_used_as_it_is(step, loops, ground, tmp_path):
    first, _ = await keys(step, ground)
    subprocess.run(["mkfs.ext4", "-q", "-L", "OLD", f"/dev/{loops[0]}"], check=True)
    given = StorageGiven((DiskGiven(first),), system_disk=False)
    assert all(change.typed == "" for change in (await step.plan(ground, given)).changes)
    await step.apply(ground, given, LINES.append)
    label = subprocess.run(
        ["blkid", "-p", "-s", "LABEL", "-o", "value", f"/dev/{loops[0]}"], capture_output=True
    )
    assert label.stdout == b"OLD\n"
    assert len(tomllib.loads((ground.data_dir / "appliance.toml").read_text())["volumes"]) == 1
    assert (await step.plan(ground, given)).changes == ()


async def test_the_days_are_said_with_what_they_rest_on(step, loops, ground):
    found = await step.probe(ground)
    assert (found.need.cameras, found.need.estimated) == (2, False)
    assert found.need.bits_per_s == 3_500_000 + 4_500_000  # measured, and the usual for the other one


async def test_encrypted_its_key_opens_it_and_nothing_of_it_can_be_read(step, loops, ground):
    first, _ = await keys(step, ground)
    given = StorageGiven((DiskGiven(first, format=first, encrypt=True),))
    if not state.can_encrypt(ground):
        before = content(loops[0])
        with pytest.raises(ApplianceError, match="cannot encrypt"):
            await step.apply(ground, given, LINES.append)
        assert content(loops[0]) == before  # not emptied first, and found out then
        pytest.skip("this kernel has no device mapper: LUKS was not tried, its refusal was")
    mapper = ""
    try:
        await step.apply(ground, given, LINES.append)
        (row,) = (ground.root / "etc/crypttab").read_text().splitlines()
        mapper, _, key, _ = row.split()
        assert Path(key).stat().st_mode & 0o777 == 0o600
        assert (await step.probe(ground)).disks[0].owner == "own"
        assert (await step.plan(ground, given)).changes == ()
    finally:
        volume = bootstrap.volumes(ground.data_dir)[0]
        subprocess.run(["umount", volume], capture_output=True)
        subprocess.run(["cryptsetup", "close", mapper], capture_output=True)
