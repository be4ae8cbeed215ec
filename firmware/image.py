"""``python -m firmware.image``: the root slot and the disk that a box is born with.

GPT: boot (FAT, the loader; never written again), state (one sector of tries), slot A, slot B (empty as
shipped), data. The order is what ``boot/grub.cfg`` counts on.
"""

import argparse
import hashlib
import itertools
import json
import shutil
import sys
import tempfile
from pathlib import Path

from appliance import __version__
from appliance.base.errors import ApplianceError
from appliance.system.update import boot
from firmware import bill, recipe, root
from firmware.build import must, say
from firmware.keys import of_the_bench
from firmware.recipe import HERE, MIB, ROOT, Recipe

FIRST_MIB = 1
STATE_MIB = 1
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"  # UEFI 2.10, 5.3.3
DATA = "a81e5da7-6aad-4c7e-9d0e-2f6d1f5b8c11"  # a kind of our own: what systemd-repart lets grow
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
DISK_ID = "a81e5000-0000-4000-8000-000000000000"  # of the image; partitions are found by their names


def build(made: Recipe, out: Path, version: str, keyring: Path, *, keep_tree: bool = True) -> dict[str, str]:
    """``out``/rootfs.squashfs, disk.img, sbom.json, licences.txt; returns the SHA-256 of each."""
    out.mkdir(parents=True, exist_ok=True)
    tree = out / "root"
    shutil.rmtree(tree, ignore_errors=True)
    own = root.wheel(out / "wheel", made.epoch)
    root.debian(made, tree)
    root.program(made, tree, own)
    root.units(tree)
    root.own_files(made, tree, version, keyring)
    bill.write(made, tree, version, out)
    root.finish(made, tree)
    root.squash(made, tree, out / "rootfs.squashfs")
    disk(made, out, root.boot_files(made, out))
    if not keep_tree:
        shutil.rmtree(tree)
    return {name: digest(out / name) for name in ("rootfs.squashfs", "disk.img", "sbom.json")}


def disk(made: Recipe, out: Path, loader: Path) -> None:
    """Sparse: what is not written takes no room."""
    size = made.size
    target = out / "disk.img"
    target.unlink(missing_ok=True)
    parts = (("boot", size.boot_mib, ESP), ("state", STATE_MIB, LINUX), ("a", size.slot_mib, LINUX),
             ("b", size.slot_mib, LINUX), ("data", size.data_mib, DATA))  # fmt: skip
    starts = [FIRST_MIB, *(FIRST_MIB + mib for mib in itertools.accumulate(mib for _, mib, _ in parts))]
    with target.open("wb") as file:
        file.truncate((starts[-1] + 1) * MIB)
    lines = ["label: gpt", f"label-id: {DISK_ID}", "unit: sectors"]
    for number, ((name, mib, kind), start) in enumerate(zip(parts, starts, strict=False), 1):
        lines.append(
            f"start={start * 2048}, size={mib * 2048}, type={kind}, name=aries-{name},"
            f" uuid={DISK_ID[:-1]}{number}"
        )
    must("sfdisk", "--quiet", target, given="\n".join(lines) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        esp, data = Path(folder, "boot.fat"), Path(folder, "data.ext4")
        _boot_partition(made, esp, loader)
        _data_partition(made, data)
        state = Path(folder, "state")
        _state_partition(made, state)
        images = (esp, state, out / "rootfs.squashfs", None, data)
        for source, start in zip(images, starts, strict=False):
            if source is None:
                continue  # the second slot is empty until the first update
            must("dd", f"if={source}", f"of={target}", "bs=1M", f"seek={start}", "conv=notrunc,sparse",
                 "status=none")  # fmt: skip
    say(f"{target}: {target.stat().st_size >> 20} MiB")


def _boot_partition(made: Recipe, target: Path, loader: Path) -> None:
    """FAT with the loader, its configuration (mtools: no mount, no root)."""
    with target.open("wb") as file:
        file.truncate(made.size.boot_mib * MIB)
    environ = {"SOURCE_DATE_EPOCH": str(made.epoch), "MTOOLS_SKIP_CHECK": "1"}
    must("mkfs.vfat", "-F", "32", "-i", "A81E5000", "-n", "ARIESBOOT", "--invariant", target)
    folder = target.parent
    text = (HERE / "boot/grub.cfg").read_text().replace("@ARGUMENTS@", made.boot.arguments)
    (folder / "grub.cfg").write_text(text)
    must("mmd", "-i", target, "::/EFI", "::/EFI/BOOT", "::/EFI/debian", environ=environ)
    for source, name in (
        (loader / "usr/lib/shim/shimx64.efi.signed", "EFI/BOOT/BOOTX64.EFI"),
        (loader / "usr/lib/shim/mmx64.efi.signed", "EFI/BOOT/mmx64.efi"),
        (loader / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "EFI/BOOT/grubx64.efi"),
        (folder / "grub.cfg", "EFI/debian/grub.cfg"),
    ):
        must("mcopy", "-i", target, source, f"::/{name}", environ=environ)


def _state_partition(made: Recipe, target: Path) -> None:
    """The smallest file system that GRUB writes a file of in place; ``boot.BootSector`` finds the sector."""
    with target.open("wb") as file:
        file.truncate(STATE_MIB * MIB)
    must("mkfs.vfat", "-F", "12", "-i", "A81E5001", "-n", "ARIESSTATE", "--invariant", target)
    block = target.with_suffix(".block")
    block.write_bytes(boot.encode(boot.FACTORY))
    must("mcopy", "-i", target, block, "::/state", environ={"SOURCE_DATE_EPOCH": str(made.epoch)})


def _data_partition(made: Recipe, target: Path) -> None:
    with target.open("wb") as file:
        file.truncate(made.size.data_mib * MIB)
    must("mkfs.ext4", "-q", "-L", "aries-data", "-U", f"{DISK_ID[:-1]}4", "-m", "1",
         "-E", f"hash_seed={DISK_ID},lazy_itable_init=0,lazy_journal_init=0", target,
         environ={"SOURCE_DATE_EPOCH": str(made.epoch), "E2FSPROGS_FAKE_TIME": str(made.epoch)})  # fmt: skip


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m firmware.image", description=__doc__)
    parser.add_argument("--recipe", type=Path, default=HERE / "image.toml")
    parser.add_argument("--out", type=Path, default=ROOT / "build/firmware")
    parser.add_argument("--version", default=__version__)
    parser.add_argument(
        "--keyring", type=Path, help="the certificate bundles are checked with, PEM; else one for tests"
    )
    args = parser.parse_args()
    try:
        keyring = args.keyring or of_the_bench(args.out)[1]
        made = build(recipe.read(args.recipe), args.out, args.version, keyring)
    except ApplianceError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    (args.out / "image.json").write_text(json.dumps(made, indent=1) + "\n")
    sys.stdout.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
