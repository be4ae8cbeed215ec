"""``appliance backup``: databases, secrets and configuration in one file. No footage."""

import argparse
import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

import msgspec

from appliance import __version__
from appliance.base.clock import BoxClock, rfc3339
from appliance.base.config import FILE_NAME
from appliance.base.errors import ApplianceError
from appliance.cli.box import add_data, open_box
from appliance.store import copying, settings

EXAMPLE = "appliance backup --data /var/lib/aries -o aries.tar"
MANIFEST = "backup.json"


class Manifest(msgspec.Struct, frozen=True):
    """First member of the file. ``files``: name -> SHA-256."""

    version: str
    device_id: str
    created_at: str
    files: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="a new file, made 0600"
    )


def run(args: argparse.Namespace) -> int:
    if args.output.exists():
        raise ApplianceError("conflict", f"{args.output} exists", "name a file that does not exist yet")
    with open_box(args) as (config, stores):
        now = rfc3339(BoxClock().now_ns())
        # The copies hold secrets: beside the originals, not in a /tmp that others read.
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=config.data_dir) as name:
            scratch = Path(name)
            members = []
            for database in (stores.appliance, stores.archive, stores.tracks):
                copying.copy_to(database, scratch / database.path.name)
                members.append((database.path.name, scratch / database.path.name))
            members += [
                (f"secrets/{path.name}", path)
                for path in sorted(config.secrets_dir.iterdir())
                if path.is_file()
            ]
            if (config.data_dir / FILE_NAME).is_file():
                members.append((FILE_NAME, config.data_dir / FILE_NAME))
            device_id = stores.appliance.read_now(settings.device_id)
            digests = {member: _sha256(path) for member, path in members}
            _write(args.output, Manifest(__version__, device_id, now, digests), members)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB. It opens this box: keep it safe.")
    return 0


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
