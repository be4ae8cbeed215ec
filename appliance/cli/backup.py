"""``appliance backup``: databases, secrets and configuration in one file. No footage."""

import argparse
import getpass
import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

import msgspec

from appliance import __version__
from appliance.base.clock import BoxClock, rfc3339
from appliance.base.config import FILE_NAME, Config
from appliance.base.errors import ApplianceError, invalid
from appliance.base.redaction import forbid
from appliance.cli.box import add_data, open_box
from appliance.daemon.stores import Stores
from appliance.store import copying, passphrase, settings

EXAMPLE = "appliance backup --data /var/lib/aries --to /media/usb"
MANIFEST = "backup.json"
SEALED_SUFFIX = ".backup"


class Manifest(msgspec.Struct, frozen=True):
    """First member of the file. ``files``: name -> SHA-256."""

    version: str
    device_id: str
    created_at: str
    files: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", metavar="FILE", type=Path, help="a new file, made 0600, not sealed")
    where.add_argument(
        "--to", metavar="DIR", type=Path, help="a folder or a mounted stick: a new file, under a passphrase"
    )
    add_passphrase(parser)


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file", metavar="F", type=Path, help="its first line; without it you are asked"
    )


def run(args: argparse.Namespace) -> int:
    if args.output is not None and args.output.exists():
        raise ApplianceError("conflict", f"{args.output} exists", "name a file that does not exist yet")
    if args.to is not None and not args.to.is_dir():
        raise ApplianceError("not_found", f"{args.to} is no folder", "mount the stick, or make the folder")
    secret = None if args.to is None else read_passphrase(args.passphrase_file, twice=True)
    with open_box(args) as (config, stores):
        now = rfc3339(BoxClock().now_ns())
        # The copies hold secrets: beside the originals, not in a /tmp that others read.
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=config.data_dir) as name:
            members = _members(config, stores, Path(name))
            device_id = stores.appliance.read_now(settings.device_id)
            digests = {member: _sha256(path) for member, path in members}
            manifest = Manifest(__version__, device_id, now, digests)
            if secret is None:
                output = args.output
                _write(output, manifest, members)
            else:
                output = args.to / file_name(device_id, now)
                plain = Path(name) / "plain.tar"
                _write(plain, manifest, members)
                _seal(plain, output, secret)
    size = f"{output}: {output.stat().st_size / 1e6:.1f} MB."
    kept = "It opens with its passphrase: keep that apart." if secret else "It opens this box: keep it safe."
    print(f"{size} {kept}")
    return 0


def file_name(device_id: str, now: str) -> str:
    """``aries-0190a1b2-20260120T143000Z.backup``: names sort by time."""
    stamp = now[:19].replace("-", "").replace(":", "")
    return f"aries-{device_id.replace('-', '')[-8:]}-{stamp}Z{SEALED_SUFFIX}"


def read_passphrase(path: Path | None, *, twice: bool) -> str:
    """Of a file's first line, or typed. Raises ``invalid``."""
    if path is not None:
        try:
            found = path.read_text().split("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            hint = "give a file whose first line is the passphrase"
            raise invalid(f"{path} cannot be read", hint, field="passphrase_file") from error
    else:
        found = getpass.getpass("Passphrase of the backup: ")
        if twice and getpass.getpass("Once more: ") != found:
            raise invalid("these are two different ones", "type it again", field="passphrase")
    passphrase.check_strength(found)
    forbid(found)
    return found


def _members(config: Config, stores: Stores, scratch: Path) -> list[tuple[str, Path]]:
    members = []
    for database in (stores.appliance, stores.archive, stores.tracks):
        copying.copy_to(database, scratch / database.path.name)
        members.append((database.path.name, scratch / database.path.name))
    members += [
        (f"secrets/{path.name}", path) for path in sorted(config.secrets_dir.iterdir()) if path.is_file()
    ]
    if (config.data_dir / FILE_NAME).is_file():
        members.append((FILE_NAME, config.data_dir / FILE_NAME))
    return members


def _seal(plain: Path, output: Path, secret: str) -> None:
    """On a stick there are no modes and no links: a name of its own until it is whole."""
    if output.exists():
        raise ApplianceError("conflict", f"{output} exists", "try again in a second")
    partial = output.with_name(f".{output.name}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with plain.open("rb") as source, os.fdopen(descriptor, "wb") as file:
            passphrase.seal(source, file, secret)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(output)
    except OSError as error:
        raise ApplianceError(
            "unavailable", f"{output} cannot be written: {error.strerror}", "choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _write(output: Path, manifest: Manifest, members: list[tuple[str, Path]]) -> None:
    partial = output.with_name(f".{output.name}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                body = msgspec.json.format(msgspec.json.encode(manifest))
                tar.addfile(_entry(MANIFEST, len(body)), io.BytesIO(body))
                for name, path in members:
                    with path.open("rb") as source:
                        tar.addfile(_entry(name, path.stat().st_size), source)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(output)
    except OSError as error:
        raise ApplianceError(
            "unavailable", f"{output} cannot be written: {error.strerror}", "choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
