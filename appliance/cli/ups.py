"""``appliance ups``: how the UPS is, and the files that make NUT stop this box in time."""

import argparse
import asyncio
import grp
from pathlib import Path

from appliance.base.errors import ApplianceError
from appliance.cli.box import print_json
from appliance.system import ups, ups_files

EXAMPLE = "appliance ups show"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    show = commands.add_parser("show", help="on mains or on battery, and for how long")
    show.add_argument("--json", action="store_true")
    prepare = commands.add_parser("prepare", help="write NUT's files, where nobody has written any")
    prepare.add_argument("--into", metavar="DIR", default="/etc/nut", type=Path)


def run(args: argparse.Namespace) -> int:
    return _show(json=args.json) if args.what == "show" else _prepare(args.into)


def _show(*, json: bool) -> int:
    power = asyncio.run(ups.look())
    if power is None:
        hint = "plug in its USB cable, then `systemctl enable --now nut.target`"
        raise ApplianceError("unavailable", "no UPS is known on this machine", hint)
    if json:
        print_json(
            {"source": power.source, "charge_percent": power.charge_percent, "runtime_s": power.runtime_s,
             "model": power.model}
        )  # fmt: skip
    else:
        print(f"{power.model or 'a UPS'}: {power.text()}")
    return 0


def _prepare(folder: Path) -> int:
    try:
        group = grp.getgrnam("nut").gr_gid
        written = ups_files.prepare(folder, group)
    except KeyError as error:
        raise ApplianceError("unavailable", "NUT is not installed", "apt-get install nut") from error
    except OSError as error:
        text = f"{folder} cannot be written: {error.strerror}"
        raise ApplianceError("unavailable", text, "run it as root, or through aries-ups.service") from error
    print(f"written: {', '.join(written)}" if written else "nothing to write: the files are there")
    return 0
