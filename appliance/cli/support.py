"""``appliance support``: one file for who helps. It opens nothing, and shows no picture."""

import argparse
import os
from pathlib import Path

import msgspec

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError
from appliance.cli.box import add_data, open_box
from appliance.cli.told import add_told, as_told
from appliance.daemon.care import support
from appliance.system.programs import Programs

EXAMPLE = "appliance support -o support.tar.gz --data /var/lib/aries"


class Made(msgspec.Struct, frozen=True):
    """``parts``: files in the bundle."""

    size_bytes: int
    parts: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="a new .tar.gz")
    add_told(parser)


def run(args: argparse.Namespace) -> int:
    return as_told(args, lambda: _run(args))


def _run(args: argparse.Namespace) -> Made:
    if args.output.exists():
        raise ApplianceError("conflict", f"{args.output} exists", "name a file that does not exist yet")
    partial = args.output.with_name(f".{args.output.name}.part")
    with open_box(args) as (config, stores):
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                count = support.write(config, stores, BoxClock(), Programs(), file, args.tell)
            partial.rename(args.output)
        except OSError as error:
            raise ApplianceError(
                "unavailable", f"{args.output} cannot be written: {error.strerror}", "free space on its disk"
            ) from error
        finally:
            partial.unlink(missing_ok=True)
    made = Made(args.output.stat().st_size, count)
    size = f"{args.output}: {count} files, {made.size_bytes / 1e6:.1f} MB, no secrets, no pictures."
    print(size, file=args.words)
    print(
        "It names this site's cameras and addresses: give it to who helps you, and to nobody else.",
        file=args.words,
    )
    return made
