"""``appliance models``: which detectors there are, and which one looks."""

import argparse
import os
import sqlite3
from pathlib import Path
from typing import Any

from appliance.base.clock import BoxClock
from appliance.base.config import Config
from appliance.base.errors import not_found
from appliance.cli import model_install
from appliance.cli.box import add_data, config_of, open_box
from appliance.store import audit, settings
from appliance.vision.packs import catalogue, installed

EXAMPLE = "appliance models install --data /var/lib/aries deimv2-femto --from /media/usb"
ACTIVE_KEY = "detector"  # in the settings table: auto, motion, or a pack's name
BUILT_IN = "motion"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="list|install|activate")
    listing = _sub(commands, "list", "appliance models list --data DIR")
    install = _sub(commands, "install", EXAMPLE)
    install.add_argument(
        "pack", metavar="NAME|FILE|URL", help="a known name, a pack (.zip, folder) or an .onnx"
    )
    install.add_argument("--from", metavar="DIR", type=Path, dest="source", help="look for NAME's files here")
    install.add_argument("--sha256", metavar="HEX", help="of FILE or what URL sends; a URL needs it")
    activate = _sub(commands, "activate", "appliance models activate --data DIR yolox-nano")
    activate.add_argument(
        "name", metavar="NAME", help=f"an installed pack, {BUILT_IN} (needs no model) or auto"
    )
    for command in (listing, install, activate):
        add_data(command)


def _sub(commands: Any, name: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # an example that wraps cannot be pasted
        allow_abbrev=False,
    )
    return parser


def run(args: argparse.Namespace) -> int:
    return {"list": _list, "install": _install, "activate": _activate}[args.what](args)


def folders(config: Config) -> tuple[Path, ...]:
    """Where packs are looked for, best first."""
    return (config.models_path, *config.assets_path)


def _list(args: argparse.Namespace) -> int:
    with open_box(args) as (config, stores):
        active = stores.appliance.read_now(lambda conn: settings.get_value(conn, ACTIVE_KEY)) or "auto"
    found = {pack.name: pack for pack in reversed(list(installed.installed(folders(config))))}
    chosen, _ = installed.choose(active, folders(config))
    using = chosen.name if chosen else BUILT_IN
    for name in sorted({*found, *(pack.name for pack in catalogue.KNOWN), BUILT_IN}):
        mark = "*" if name == using else " "
        if name == BUILT_IN:
            about = "built in, needs no model"
        elif name in found:
            about = f"{found[name].family}, {found[name].licence}, {found[name].folder}"
        else:
            about = f"not installed; appliance models install {name}"
        print(f"{mark} {name:20s} {about}")
    return 0


def _install(args: argparse.Namespace) -> int:
    config = config_of(args)
    old_umask = os.umask(0o077)
    try:
        pack = model_install.install(args.pack, config, args.source, args.sha256)
    finally:
        os.umask(old_umask)
    print(f"{pack.name} {pack.version} is in {pack.folder}; use it: appliance models activate {pack.name}")
    return 0


def _activate(args: argparse.Namespace) -> int:
    with open_box(args) as (config, stores):
        names = {pack.name for pack in installed.installed(folders(config))}
        if args.name not in {*names, BUILT_IN, "auto"}:
            raise not_found("model pack", args.name)
        now_ns = BoxClock().now_ns()

        def work(conn: sqlite3.Connection) -> None:
            settings.set_value(conn, ACTIVE_KEY, args.name)
            audit.add(
                conn, now_ns, None, "changed", f"model/{args.name}", {"activated": True, "by": "command"}
            )

        stores.appliance.write_now(work)
    print(f"{args.name} looks from now on")
    return 0
