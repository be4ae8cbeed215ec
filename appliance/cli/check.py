"""``appliance check``: the recordings against R1-R8, beside a running box or without one."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from appliance.cli.box import add_data, config_of, must_be_box
from appliance.daemon.stores import ARCHIVE, open_appliance
from appliance.media.check.check import check, open_archive
from appliance.store.database import Database
from appliance.system.instance import running

EXAMPLE = "appliance check --data /var/lib/aries --repair"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--repair", action="store_true", help="mend what can be mended; no footage is lost")
    parser.add_argument("--quick", action="store_true", help="believe the footers: do not hash again")


def run(args: argparse.Namespace) -> int:
    """0: clean; 1: violations that remain."""
    config = config_of(args)
    must_be_box(config.data_dir)
    db = open_appliance(config.data_dir)
    archive: Database | None = None
    try:
        archive = _archive(args, config.data_dir / ARCHIVE, list(config.volumes), db)
        found = check(db, archive, config.volumes, quick=args.quick, repair=args.repair, progress=_progress())
    finally:
        if archive is not None:
            archive.close()
        db.close()
    left = [fault for fault in found if not fault.repaired]
    for fault in found:
        print(fault)
    print("clean" if not found else f"{len(left)} violations, {len(found) - len(left)} mended")
    return 1 if left else 0


def _archive(args: argparse.Namespace, path: Path, volumes: list[Path], db: Database) -> Database:
    """A damaged index is made again only where no daemon has it open."""
    if running(path.parent) or not args.repair:
        return Database.open(path, "archive", synchronous="NORMAL")
    archive, rebuilt = open_archive(path, db, volumes)
    if rebuilt:
        print(f"{path.name} was made again from the recordings")
    return archive


def _progress() -> Callable[[int], None] | None:
    if not sys.stderr.isatty():
        return None

    def show(files: int) -> None:
        sys.stderr.write(f"\r{files} files")
        sys.stderr.flush()

    return show
