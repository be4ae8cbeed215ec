"""``appliance restore``: an empty data directory becomes the box that was backed up."""

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.base.config import FILE_NAME
from appliance.base.errors import ApplianceError, invalid
from appliance.cli.backup import add_passphrase, read_passphrase
from appliance.cli.box import add_data, config_of
from appliance.daemon.care import moving
from appliance.daemon.care.backing_up import MANIFEST, Manifest
from appliance.daemon.stores import APPLIANCE, ARCHIVE, TRACKS
from appliance.store import copying, passphrase
from appliance.system import ballast, instance, tls
from appliance.system.sticks import backups

EXAMPLE = "appliance restore --from /media/usb --data /var/lib/aries"
LARGEST_SMALL_BYTES = 1 << 20  # manifest, secrets, configuration
_DATABASES = (APPLIANCE, ARCHIVE, TRACKS)
SCRATCH = ".restoring"
# What a folder may hold that is no box yet: of a fresh file system, of the wizard that is at work.
_NOTHING = {"lost+found", ".provisioning", instance.LOCK_NAME, ballast.NAME, f"{SCRATCH}.tar"}
_SECRET = re.compile(r"secrets/[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="what `appliance backup` wrote")
    parser.add_argument(
        "--from", dest="folder", metavar="DIR", type=Path, help="a stick: the newest backup that lies on it"
    )
    add_passphrase(parser)
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    data_dir = config_of(args).data_dir
    file = _chosen(args.file, args.folder)
    if data_dir.exists() and instance.running(data_dir):
        raise ApplianceError("conflict", f"a box is running on {data_dir}", "stop it first")
    if not _is_bare(data_dir):
        raise ApplianceError(
            "conflict",
            f"{data_dir} is not empty",
            "restore into an empty folder, so that nothing is overwritten",
        )
    # Renamed at the end: a restore that fails leaves nothing half-written. In the folder where there is one:
    # on a box it is a disk of its own, and beside it nothing can be written.
    scratch = data_dir / SCRATCH if data_dir.exists() else data_dir.with_name(f".{data_dir.name}.restoring")
    shutil.rmtree(scratch, ignore_errors=True)
    old_umask = os.umask(0o077)
    try:
        scratch.mkdir(parents=True)
        with _plain(file, scratch, args.passphrase_file) as plain:
            manifest = _unpack(file, plain, scratch)
        for name in _DATABASES:
            copying.must_be_whole(scratch / name)
        (scratch / "models").mkdir()
        _put(scratch, data_dir)
    except OSError as error:
        raise ApplianceError(
            "unavailable", f"{data_dir} cannot be written: {error.strerror}", "free space, or choose another"
        ) from error
    finally:
        os.umask(old_umask)
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{data_dir} is box {manifest.device_id} as of {manifest.created_at}.")
    print("Footage is not part of a backup: give back its volumes, then start the box.")
    for line in moving.settle(config_of(args)):
        print(f"  {line}")
    return 0


def _is_bare(data_dir: Path) -> bool:
    """There is nothing in it that a restore could overwrite. One that was cut short left its own folder, and
    no database that makes a box."""
    if not data_dir.exists() or ((data_dir / SCRATCH).is_dir() and not (data_dir / APPLIANCE).exists()):
        return True
    names = {entry.name for entry in data_dir.iterdir()} - _NOTHING
    if names == {"secrets"}:  # the wizard's own certificate: the backup's takes its place
        return {path.name for path in (data_dir / "secrets").iterdir()} <= {tls.CERT_NAME, tls.KEY_NAME}
    return not names


def _chosen(file: Path | None, folder: Path | None) -> Path:
    """Raises ``invalid`` where neither or both are given, ``not_found`` for a stick without a backup."""
    if (file is None) == (folder is None):
        raise invalid("name one backup", "give FILE, or --from DIR for the newest on a stick", field="file")
    if file is not None:
        return file
    assert folder is not None
    found = [folder / name for name in backups(folder)]
    if not found:
        raise ApplianceError("not_found", f"there is no backup on {folder}", "plug in the stick that has it")
    print(f"the newest of {len(found)}: {found[-1].name}" if len(found) > 1 else found[-1].name)
    return found[-1]


@contextlib.contextmanager
def _plain(file: Path, scratch: Path, secret_file: Path | None) -> Iterator[Path]:
    """``file``, or what its passphrase opens: beside the target, and gone afterwards."""
    try:
        with file.open("rb") as source:
            if not passphrase.is_sealed(source):
                yield file
                return
            opened = scratch.with_name(f"{scratch.name}.tar")
            opened.unlink(missing_ok=True)
            try:
                with opened.open("xb") as target:
                    passphrase.open_sealed(source, target, read_passphrase(secret_file, twice=False))
                yield opened
            finally:
                opened.unlink(missing_ok=True)
    except FileNotFoundError as error:
        raise invalid(f"{file} does not exist", "name a file that `appliance backup` wrote") from error


def _put(scratch: Path, data_dir: Path) -> None:
    if not data_dir.exists():
        scratch.rename(data_dir)
        return
    data_dir.chmod(0o700)
    # appliance.db last: it is what makes a folder a box
    for entry in sorted(scratch.iterdir(), key=lambda path: path.name == APPLIANCE):
        there = data_dir / entry.name
        inside = sorted(entry.iterdir()) if entry.is_dir() and there.is_dir() else [entry]
        for each in inside:
            each.rename(data_dir / each.relative_to(scratch))


def _unpack(file: Path, plain: Path, scratch: Path) -> Manifest:
    """Only names that a backup has, only plain files, each with the SHA-256 that the manifest says.
    ``file`` is what a person named."""
    try:
        with tarfile.open(plain, "r:") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST:
                raise _not_a_backup(file)
            manifest = msgspec.json.decode(_small(tar, first), type=Manifest)
            seen = set()
            while (entry := tar.next()) is not None:
                _check(entry, manifest, file)
                target = scratch / entry.name
                target.parent.mkdir(exist_ok=True)
                source = tar.extractfile(entry)
                if source is None:
                    raise _not_a_backup(file)
                with source, target.open("xb") as out:
                    shutil.copyfileobj(source, out)
                with target.open("rb") as written:
                    if hashlib.file_digest(written, "sha256").hexdigest() != manifest.files[entry.name]:
                        raise ApplianceError(
                            "data_loss", f"{file}: {entry.name} is damaged", "use another backup"
                        )
                seen.add(entry.name)
    except (tarfile.TarError, msgspec.MsgspecError, FileExistsError) as error:
        raise _not_a_backup(file) from error
    missing = sorted({*manifest.files, *_DATABASES} - seen)
    if missing:
        raise ApplianceError(
            "data_loss", f"{file} is cut short: {missing[0]} is missing", "use another backup"
        )
    return manifest


def _check(entry: tarfile.TarInfo, manifest: Manifest, file: Path) -> None:
    known = entry.name in (*_DATABASES, FILE_NAME) or _SECRET.fullmatch(entry.name)
    if not known or not entry.isfile() or entry.name not in manifest.files:
        raise _not_a_backup(file)
    if entry.name not in _DATABASES and entry.size > LARGEST_SMALL_BYTES:
        raise _not_a_backup(file)


def _small(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    source = tar.extractfile(entry) if entry.isfile() and entry.size <= LARGEST_SMALL_BYTES else None
    return b"" if source is None else source.read()


def _not_a_backup(file: Path) -> ApplianceError:
    return invalid(f"{file} is not a backup of a box", "name a file that `appliance backup` wrote")
