"""``appliance-provision verify-report FILE``: is every byte of a report as the box signed it?"""

import argparse
import hashlib
from pathlib import Path

from appliance.base.errors import ApplianceError, invalid
from provisioning.report.kept import JSON_NAME, PDF_NAME
from provisioning.report.key import known_fingerprint
from provisioning.report.seal import Verified, verify

EXAMPLE = "appliance-provision verify-report report.pdf --key 3f2a…"
LARGEST_BYTES = 256 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="report.json or report.pdf")
    parser.add_argument("--key", metavar="SHA256", help="the fingerprint that the box shows")
    parser.add_argument("--data", metavar="DIR", type=Path, help="or the box's own folder")


def run(args: argparse.Namespace) -> list[str]:
    """What to tell of a report that is unchanged, and signed by the key that was named. Raises ``data_loss``
    where a byte was changed, ``denied`` where another key signed."""
    found = verify(_read(args.file))
    _same_key(found, args.key, args.data)
    lines = []
    if found.report is not None:
        lines += _beside(args.file.parent, found)
        report = found.report
        signed = f"signed by {report.signature.name}" if report.signature else "not signed by a customer"
        lines.append(f"{report.site.name}, {report.made_at}: {report.state}, {signed}")
    lines.append(f"unchanged since it was signed; SHA-256 of the report {found.report_sha256}")
    lines.append(f"key of the box: {found.fingerprint}")
    if args.key is None and args.data is None:
        lines.append("  (compare it with what the box shows, or give --key or --data: anybody can make one)")
    return lines


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise invalid(f"{path} is too large for a report", "name report.json or report.pdf", field="file")
        return path.read_bytes()
    except OSError as error:
        raise invalid(
            f"{path}: {error.strerror}", "name report.json or report.pdf of a report", field="file"
        ) from error


def _same_key(found: Verified, key: str | None, data_dir: Path | None) -> None:
    wanted = None if key is None else key.replace(":", "").replace(" ", "").lower()
    if data_dir is not None:
        wanted = known_fingerprint(data_dir)
        if wanted is None:
            raise ApplianceError("not_found", f"the box in {data_dir} has no key yet", "name another --data")
    if wanted is not None and wanted != found.fingerprint:
        raise ApplianceError(
            "denied",
            f"it was signed by another key: {found.fingerprint}",
            "it is not of this box, or somebody made it",
        )


def _beside(folder: Path, found: Verified) -> list[str]:
    """The PDF and the pictures that lie beside ``report.json`` are those that it names."""
    assert found.report is not None
    named = {PDF_NAME: found.pdf_sha256} | {p.file: p.sha256 for p in found.report.pictures}
    lines = []
    for name, digest in named.items():
        path = folder / Path(name).name
        if not path.is_file():
            lines.append(f"  {name}: not beside {JSON_NAME}, so not looked at")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ApplianceError(
                "data_loss", f"{name} was changed after it was signed", "take the copy that lies on the box"
            )
    return lines
