"""``appliance update``: the box's own software, from a bundle; and what the units of an image run as root."""

import argparse
import asyncio
import hashlib
import shutil
import sys
from pathlib import Path

import msgspec

from appliance.base.clock import BoxClock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid
from appliance.cli.box import add_command, config_of, print_json
from appliance.system.update import boot, proving, record, release
from appliance.system.update.installing import Installer, read_wish
from appliance.system.update.judging import Facts, Manifest, refusal
from appliance.system.update.observing import Observer
from appliance.system.update.rauc import Rauc
from appliance.system.update.record import MOVING, Places, Record, Wish
from appliance.system.update.verdict import DEADLINE_S, STEADY_S, Rules

EXAMPLE = "appliance update install aries-edge-1.2.raucb --data /var/lib/aries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    status = add_command(commands, "status", "appliance update status --data /var/lib/aries")
    status.add_argument("--json", action="store_true", help="one JSON line")
    check = add_command(
        commands, "check", "appliance update check aries-edge-1.2.raucb --data /var/lib/aries"
    )
    check.add_argument("bundle", type=Path)
    install = add_command(commands, "install", EXAMPLE)
    install.add_argument("bundle", type=Path, nargs="?", help="without it: what the screen was asked for")
    install.add_argument("--allow-older", action="store_true", help="a version before the one that runs, too")
    install.add_argument("--no-reboot", action="store_true", help="stop before the other slot is started")
    judge = add_command(commands, "judge", "appliance update judge --data /var/lib/aries")
    judge.add_argument("--minutes", type=float, default=STEADY_S / 60, help="all must be well for so long")
    judge.add_argument("--deadline", type=float, default=DEADLINE_S / 60, help="minutes; then back")
    add_command(commands, "settle", "appliance update settle --data /var/lib/aries")


def run(args: argparse.Namespace) -> int:
    config = config_of(args)
    places, rauc = Places(config.data_dir), Rauc()
    match args.what:
        case "status":
            return _status(places, as_json=args.json)
        case "check":
            return _check(places, rauc, args.bundle)
        case "install":
            return _install(places, rauc, args)
        case "settle":
            return _said(proving.settle_now(places, rauc, BoxClock(), boot.booted()))
    return _judge(config, places, rauc, args)


def _status(places: Places, *, as_json: bool) -> int:
    made = record.read(places)
    if as_json:
        print_json({"version": release.read().version} | msgspec.to_builtins(made))
    else:
        print(f"version {release.read().version}")
        _said(made)
    return 0


def _said(made: Record) -> int:
    if made.phase == "none":
        print("never updated")
        return 0
    print(f"{made.from_version} -> {made.to_version or '?'}: {made.phase.replace('_', ' ')}")
    for line in (made.reason, made.hint and f"  {made.hint}", made.journal and f"  journal: {made.journal}"):
        if line:
            print(line)
    return 0


def _check(places: Places, rauc: Rauc, bundle: Path) -> int:
    found = rauc.manifest(bundle)
    image = release.read()
    manifest = found if isinstance(found, Manifest) else None
    fault = "" if isinstance(found, Manifest) else found
    facts = Facts(manifest, image.version, image.compatible, signature=fault)
    if (refused := refusal(facts)) is not None:
        raise refused
    assert manifest is not None
    print(f"{bundle}: version {manifest.version} for {manifest.compatible}; {image.version} runs")
    return 0


def _install(places: Places, rauc: Rauc, args: argparse.Namespace) -> int:
    if args.bundle is None:
        wish = read_wish(places)
    else:
        wish = _offer(places, args.bundle, allow_older=args.allow_older)
    reboot = (lambda: None) if args.no_reboot else proving.reboot
    made = Installer(places, rauc, release.read(), BoxClock(), reboot).obey(wish)
    _said(made)
    return 0 if made.phase in MOVING else 1


def _offer(places: Places, bundle: Path, *, allow_older: bool) -> Wish:
    """A file that somebody names: as if the screen had been given it."""
    places.inbox.mkdir(mode=0o700, exist_ok=True)
    try:
        shutil.copyfile(bundle, places.bundle)
        with places.bundle.open("rb") as file:
            return Wish(hashlib.file_digest(file, "sha256").hexdigest(), "command line", allow_older)
    except OSError as error:
        raise invalid(
            f"{bundle}: {error.strerror}", "give a file that can be read", field="bundle"
        ) from error


def _judge(config: Config, places: Places, rauc: Rauc, args: argparse.Namespace) -> int:
    rules = Rules(args.minutes * 60, args.deadline * 60)
    if not 0 < rules.steady_s < rules.deadline_s:
        raise invalid("--minutes must be less than --deadline", "see --help", field="minutes")
    observer = Observer(config.data_dir, config.listen.port)
    judge = proving.Judge(places, rauc, observer, BoxClock(), proving.reboot, rules)
    try:
        made = asyncio.run(judge.run())
    except ApplianceError as error:
        if error.kind != "unavailable":
            raise
        sys.stderr.write(f"error: {error}\n")
        return 1
    return _said(made)
