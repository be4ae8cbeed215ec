"""The root tree: Debian's packages, the program with its locked wheels, the units, the box's own files.

Everything in it is the recipe's, the lock's or ours, and all time stamps are the recipe's, so that two
builds from one mirror's state differ in no byte. Needs root (or unshare), as mmdebstrap does.
"""

import json
import shutil
import sys
from pathlib import Path

from appliance.base.errors import ApplianceError
from firmware.build import must, say
from firmware.recipe import HERE, ROOT, Recipe

PROGRAM = Path("opt/aries")
LEFT_OUT = ("man", "locale", "info", "lintian", "bash-completion", "zsh")
LEFTOVERS = (
    "var/cache/ldconfig", "var/cache/apt", "var/cache/debconf", "var/lib/apt/lists", "var/log", "boot/grub",
    "var/lib/systemd/random-seed", "etc/machine-id", "etc/hostname", "etc/resolv.conf", "var/lib/dpkg/lock",
    "etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/subuid-", "etc/subgid-",
)  # fmt: skip


def wheel(folder: Path, epoch: int) -> Path:
    """Our own, built from the checkout."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("aries_edge-*.whl"):
        old.unlink()
    must(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder.resolve(), folder=ROOT,
         environ={"SOURCE_DATE_EPOCH": str(epoch)}, about="wheel")  # fmt: skip
    return next(folder.glob("aries_edge-*.whl"))


def debian(recipe: Recipe, root: Path) -> None:
    """The packages and the files under ``firmware/root``, configured, with an initrd."""
    options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
    options += [
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    ]
    must(
        "mmdebstrap", "--variant=minbase", f"--architectures={recipe.architecture}", "--mode=auto",
        '--aptopt=APT::Install-Recommends "false"', *options,
        f"--include={','.join(recipe.debian())}", recipe.suite, root, *recipe.sources(),
        environ={"SOURCE_DATE_EPOCH": str(recipe.epoch), "INITRD": "No"}, about="packages",
    )  # fmt: skip


def boot_files(recipe: Recipe, work: Path) -> Path:
    """Shim and GRUB as Debian signed them; extracted, in a folder of their own."""
    tree = work / "boot"
    shutil.rmtree(tree, ignore_errors=True)
    must("mmdebstrap", "--variant=extract", f"--architectures={recipe.architecture}",
         f"--include={','.join(recipe.boot.packages)}", recipe.suite, tree, *recipe.sources(),
         environ={"SOURCE_DATE_EPOCH": str(recipe.epoch)}, about="boot loader")  # fmt: skip
    return tree


def program(recipe: Recipe, root: Path, own: Path) -> None:
    """/opt/aries: a virtual environment by hand, around the image's Python; each wheel's hash is checked."""
    home = root / PROGRAM
    site = home / f"lib/python{recipe.python}/site-packages"
    site.mkdir(parents=True)
    pip = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", str(site),
        "--only-binary=:all:", "--implementation=cp", f"--python-version={recipe.python}",
        f"--abi=cp{recipe.python.replace('.', '')}", "--abi=abi3", "--abi=none",
    ]  # fmt: skip
    glibc = int(recipe.wheels.split("_")[2])
    arch = recipe.wheels.split("_", 3)[3]
    tags = [f"--platform=manylinux_2_{minor}_{arch}" for minor in range(glibc, 4, -1)]
    tags += [f"--platform=manylinux2014_{arch}", "--platform=any"]
    must(*pip, *tags, "--require-hashes", "--requirement", ROOT / "requirements.lock", about="wheels")
    must(*pip, *tags, "--upgrade", "--no-index", f"--find-links={own.parent}", "aries-edge", about="program")
    forget_scripts(site)
    binaries = home / "bin"
    binaries.mkdir()
    (binaries / "python3").symlink_to(f"/usr/bin/python{recipe.python}")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {recipe.python}\n"
    )
    for name, module in (("appliance", "appliance.cli"), ("appliance-provision", "provisioning.cli")):
        script = binaries / name
        script.write_text(
            f"#!/{PROGRAM}/bin/python3\nimport sys\n\nfrom {module} import main\n\nsys.exit(main())\n"
        )
        script.chmod(0o755)


def forget_scripts(site: Path) -> None:
    """The wheels' commands, which name the Python that builds; also where a RECORD names them and their hash:
    the image must not depend on where it was built."""
    shutil.rmtree(site / "bin", ignore_errors=True)
    for record in sorted(site.glob("*.dist-info/RECORD")):
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith("../../bin/")))


def units(root: Path) -> None:
    """From the wheel's own copy, each to where ``systemd/places`` says; what needs a chip that not every box
    has stays beside the program."""
    source = next((root / PROGRAM).glob("lib/python*/site-packages/appliance/_units"))
    for line in (source / "places").read_text().splitlines():
        name, place, *where = [*line.split("#")[0].split(), "", ""][:3]
        if not name or "hardware" in where:
            continue
        target = root / place.lstrip("/")
        target = target / name if place.endswith("/") else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)


def own_files(recipe: Recipe, root: Path, version: str, keyring: Path) -> None:
    """What is ours: ``firmware/root``, the certificate that bundles are checked with, what this image is."""
    shutil.copytree(HERE / "root", root, dirs_exist_ok=True)
    config = root / "etc/rauc/system.conf"
    config.write_text(config.read_text().replace("@COMPATIBLE@", recipe.compatible))
    shutil.copyfile(keyring, root / "etc/rauc/keyring.pem")
    (root / "etc/initramfs-tools/modules").write_text("\n".join(recipe.initrd.modules) + "\n")
    (root / "usr/lib/aries/release.json").write_text(
        json.dumps({"version": version, "compatible": recipe.compatible}) + "\n"
    )
    (root / "usr/lib/systemd/system-preset/00-aries.preset").write_text(
        "".join(f"enable {name}\n" for name in recipe.enable.units) + "disable *\n"
    )
    (root / "etc/fstab").write_text(
        "# The slot is the root; /data and what lies over /etc and /var: initrd.\n"
        "tmpfs /tmp tmpfs nosuid,nodev,mode=1777,size=20% 0 0\n"
        "tmpfs /media tmpfs nosuid,nodev,noexec,mode=0755,size=1m 0 0\n"
    )
    for name in ("data", "boot/efi"):
        (root / name).mkdir(parents=True, exist_ok=True)


def finish(recipe: Recipe, root: Path) -> None:
    """Accounts, units switched on, bytecode, an initrd; then everything that is of this machine or this hour
    goes."""
    inside = {
        "SOURCE_DATE_EPOCH": str(recipe.epoch),
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    user, number = recipe.user.name, str(recipe.user.id)
    must("chroot", root, "groupadd", "--system", "--gid", number, user, environ=inside)
    must("chroot", root, "useradd", "--system", "--uid", number, "--gid", number, "--no-create-home",
         "--home-dir", "/var/lib/aries", "--shell", "/usr/sbin/nologin", user, environ=inside)  # fmt: skip
    must("chroot", root, "systemd-sysusers", environ=inside)
    known = [name for name in recipe.enable.units if _exists(root, name)]
    for missing in sorted(set(recipe.enable.units) - set(known)):
        say(f"no unit {missing}: not switched on")
    must("chroot", root, "systemctl", "preset-all", environ=inside)
    must("chroot", root, "systemctl", "enable", *known, environ=inside)
    must("chroot", root, f"/{PROGRAM}/bin/python3", "-m", "compileall", "-q", "-j", "1",
         "--invalidation-mode", "unchecked-hash", f"/{PROGRAM}/lib", f"/usr/lib/python{recipe.python}",
         environ=inside | {"PYTHONHASHSEED": "0"}, about="bytecode")  # fmt: skip
    must("chroot", root, "update-initramfs", "-c", "-k", "all", environ=inside, about="initrd")
    for name in LEFTOVERS:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")  # systemd makes one at the first boot
    (root / "etc/hostname").write_text(f"{recipe.name}\n")
    (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    _link_kernel(root)


def _exists(root: Path, unit: str) -> bool:
    return any((root / folder / unit).exists() for folder in ("usr/lib/systemd/system", "lib/systemd/system"))


def _link_kernel(root: Path) -> None:
    """GRUB reads /vmlinuz and /initrd.img: real files, as its squashfs follows no links out of /boot."""
    kernels = sorted((root / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        raise ApplianceError(
            "internal", f"{len(kernels)} kernels in the image", "name one package in [packages] kernel"
        )
    release = kernels[0].name.removeprefix("vmlinuz-")
    for name, source in (("vmlinuz", kernels[0]), ("initrd.img", root / f"boot/initrd.img-{release}")):
        (root / name).unlink(missing_ok=True)
        source.rename(root / name)


def squash(recipe: Recipe, root: Path, target: Path) -> None:
    """One file, the same bytes for the same tree. gzip, because GRUB reads that; kernel and initrd as they
    are, because they are compressed."""
    target.unlink(missing_ok=True)
    must("mksquashfs", root, target, "-quiet", "-no-progress", "-comp", "gzip", "-Xcompression-level", "6",
         "-b", "256K", "-no-xattrs", "-all-time", str(recipe.epoch), "-mkfs-time", str(recipe.epoch),
         "-action", "uncompressed@name(vmlinuz)||name(initrd.img)",
         about="squashfs")  # fmt: skip
    room = recipe.size.slot_mib << 20
    if target.stat().st_size > room:
        raise ApplianceError(
            "exhausted", f"{target.stat().st_size >> 20} MiB do not fit a slot of {recipe.size.slot_mib}",
            "make [size] slot_mib bigger: only before the first box is shipped",
        )  # fmt: skip
