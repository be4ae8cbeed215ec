"""``appliance restore``: an empty data directory becomes the box that was backed up."""

import argparse
import hashlib
import os
import re
import shutil
import tarfile
from pathlib import Path

import msgspec

from appliance.base.config import FILE_NAME
from appliance.base.errors import ApplianceError, invalid
from appliance.cli.backup import MANIFEST, Manifest
from appliance.cli.box import add_data, config_of
from appliance.daemon.stores import APPLIANCE, ARCHIVE, TRACKS
from appliance.store import copying
from appliance.system import instance

EXAMPLE = "appliance restore aries.tar --data /var/lib/aries"
LARGEST_SMALL_BYTES = 1 << 20  # manifest, secrets, configuration
_DATABASES = (APPLIANCE, ARCHIVE, TRACKS)
_SECRET = re.compile(r"secrets/[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="what `appliance backup` wrote")
    add_data(parser)


def run(args: argparse.Namespace) -> int:
    data_dir = config_of(args).data_dir
    if data_dir.exists() and instance.running(data_dir):
        raise ApplianceError("conflict", f"a box is running on {data_dir}", "stop it first")
    if data_dir.exists() and any(entry.name != "lost+found" for entry in data_dir.iterdir()):
        raise ApplianceError(
            "conflict",
            f"{data_dir} is not empty",
            "restore into an empty folder, so that nothing is overwritten",
        )
    # Beside the target and renamed at the end: a restore that fails leaves nothing half-written.
    scratch = data_dir.with_name(f".{data_dir.name}.restoring")
    shutil.rmtree(scratch, ignore_errors=True)
    old_umask = os.umask(0o077)
    try:
        scratch.mkdir(parents=True)
        manifest = _unpack(args.file, scratch)
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
    return 0


def _put(scratch: Path, data_dir: Path) -> None:
    if not data_dir.exists():
        scratch.rename(data_dir)
        return
    data_dir.chmod(0o700)
    # appliance.db last: it is what makes a folder a box
    for entry in sorted(scratch.iterdir(), key=lambda path: path.name == APPLIANCE):
        shutil.move(entry, data_dir / entry.name)


def _unpack(file: Path, scratch: Path) -> Manifest:
    """Only names that a backup has, only plain files, each with the SHA-256 that the manifest says."""
    try:
        with tarfile.open(file, "r:") as tar:
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
    except FileNotFoundError as error:
        raise invalid(f"{file} does not exist", "name a file that `appliance backup` wrote") from error
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
