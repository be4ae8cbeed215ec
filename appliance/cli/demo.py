"""``appliance demo``: the whole box on simulated cameras."""

import argparse
import contextlib
import os
import sys
from pathlib import Path

import msgspec

from appliance.base import config as configuration
from appliance.base.clock import BoxClock
from appliance.base.errors import invalid
from appliance.cli.serving import Announcement, must_be_known, run_box
from appliance.daemon import demo
from appliance.daemon.assets import Assets
from appliance.web.people.passwords import Passwords

EXAMPLE = "appliance demo --cameras 4 --port 8080"
MOST_CAMERAS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8080, help="on loopback; 0 picks a free one")
    parser.add_argument("--data", metavar="DIR", help="keep the box here (default: thrown away at the end)")
    parser.add_argument("--cameras", type=int, default=4, metavar="N", help=f"1 to {MOST_CAMERAS}")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop by itself")
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")
    parser.add_argument("--detector", default="auto", help="auto, motion, or a model's name")


def run(args: argparse.Namespace) -> int:
    if not 1 <= args.cameras <= MOST_CAMERAS:
        raise invalid(f"{args.cameras} cameras", f"give 1 to {MOST_CAMERAS}", field="cameras")
    if not 0 <= args.port <= 65535:
        raise invalid(f"there is no port {args.port}", "give 0 to 65535", field="port")
    if args.seconds is not None and not 0 < args.seconds < float("inf"):  # nan is neither
        raise invalid(f"{args.seconds} seconds", "give more than 0, or leave it out", field="seconds")
    with contextlib.ExitStack() as stack:
        data = Path(args.data) if args.data else stack.enter_context(demo.throw_away())
        return _run(args, data)


def _run(args: argparse.Namespace, data: Path) -> int:
    clock = BoxClock()
    overrides = {"listen": f"127.0.0.1:{args.port}", "allow_file_sources": True}
    config = configuration.load(os.environ, data_dir=data, overrides=overrides)
    cache = demo.workshop() / "assets"
    config = msgspec.structs.replace(config, assets_path=(*config.assets_path, cache))
    must_be_known(args.detector, config)
    assets = Assets(config.assets_path, cache, clock)
    found = demo.look(assets)
    password = demo.prepare(config, clock, Passwords().hash_now, args.cameras, found)
    announcement = Announcement(json=args.json, password=password, note=found.line)
    if found.line is not None and args.json:
        print(found.line, file=sys.stderr)
    show = sys.stderr.isatty() and not args.json
    around = demo.fetching(assets, found, show=show)
    return run_box(config, announcement, detector=args.detector, seconds=args.seconds, around=around)
