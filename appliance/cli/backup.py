"""``appliance backup``: databases, secrets and configuration in one file. No footage."""

import argparse
import getpass
import sys
from pathlib import Path

import msgspec

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError, invalid
from appliance.base.redaction import forbid
from appliance.cli.box import add_data, open_box
from appliance.cli.told import add_told, as_told
from appliance.daemon.care import backing_up
from appliance.store import passphrase

EXAMPLE = "appliance backup --data /var/lib/aries --to /media/usb"
STDIN = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", metavar="FILE", type=Path, help="a new file, made 0600, not sealed")
    where.add_argument(
        "--to", metavar="DIR", type=Path, help="a folder or a mounted stick: a new file, under a passphrase"
    )
    add_passphrase(parser)
    add_told(parser)


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file", metavar="F", type=Path, help="its first line (-: of stdin); else you are asked"
    )


def run(args: argparse.Namespace) -> int:
    return as_told(args, lambda: _run(args))


def _run(args: argparse.Namespace) -> msgspec.Struct | None:
    if args.output is not None:
        _to_file(args)
        return None
    if not args.to.is_dir():
        raise ApplianceError("not_found", f"{args.to} is no folder", "mount the stick, or make the folder")
    secret = read_passphrase(args.passphrase_file, twice=True)
    with open_box(args) as (config, stores):
        made = backing_up.to_stick(config, stores, args.to, secret, BoxClock(), args.tell)
    print(f"{args.to / made.name}: {made.size_bytes / 1e6:.1f} MB.", file=args.words, end=" ")
    print("It opens with its passphrase: keep that apart.", file=args.words)
    return made


def _to_file(args: argparse.Namespace) -> None:
    if args.output.exists():
        raise ApplianceError("conflict", f"{args.output} exists", "name a file that does not exist yet")
    with open_box(args) as (config, stores):
        size = backing_up.to_file(config, stores, args.output, BoxClock())
    print(f"{args.output}: {size / 1e6:.1f} MB. It opens this box: keep it safe.", file=args.words)


def read_passphrase(path: Path | None, *, twice: bool) -> str:
    """Of a file's first line, or typed. Raises ``invalid``."""
    if path is not None:
        try:
            text = sys.stdin.readline() if path == STDIN else path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            hint = "give a file whose first line is the passphrase"
            raise invalid(f"{path} cannot be read", hint, field="passphrase_file") from error
        found = text.split("\n")[0].rstrip("\r")
    else:
        found = getpass.getpass("Passphrase of the backup: ")
        if twice and getpass.getpass("Once more: ") != found:
            raise invalid("these are two different ones", "type it again", field="passphrase")
    passphrase.check_strength(found)
    forbid(found)
    return found
