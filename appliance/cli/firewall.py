"""``appliance firewall``: who may reach this box; shown, checked, and put in force on trial."""

import argparse
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from appliance.base.clock import BoxClock, boot_id
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.cli.box import add_command, config_of, must_be_box
from appliance.daemon.stores import open_appliance
from appliance.store import audit
from appliance.store import settings as settings_rows
from appliance.store.database import Database
from appliance.system.firewall import boot, nft, render
from appliance.system.firewall import settings as rows
from appliance.system.firewall.settings import FirewallSettings, check_present
from appliance.system.firewall.trial import Trials
from appliance.system.programs import Programs
from appliance.system.tunnel import kept

EXAMPLE = "appliance firewall apply --data /var/lib/aries --lan eth0 --cameras eth1"
CONFIRM_S = 60.0
MARGIN_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="show|check|apply")
    show = add_command(commands, "show", "appliance firewall show --data DIR --lan eth0 --cameras eth1")
    show.add_argument("--counts", action="store_true", help="what the rules in force have met")
    check = add_command(commands, "check", "appliance firewall check --data DIR --lan eth0")
    apply = add_command(commands, "apply", f"{EXAMPLE}   then: appliance firewall apply --data DIR --confirm")
    for command in (show, check, apply):
        _settings(command)
    apply.add_argument(
        "--seconds",
        metavar="S",
        type=float,
        default=CONFIRM_S,
        help=f"it undoes itself unless it is confirmed within (default {CONFIRM_S:g})",
    )
    how = apply.add_mutually_exclusive_group()
    how.add_argument("--confirm", action="store_true", help="what is on trial stays, also after a restart")
    how.add_argument("--off", action="store_true", help="no rules of ours at all; to be confirmed, too")
    how.add_argument(
        "--stored", action="store_true", help="what was confirmed last, at once: after a restore"
    )
    how.add_argument("--wait", action="store_true", help=argparse.SUPPRESS)  # the child that undoes it


def _settings(parser: argparse.ArgumentParser) -> None:
    """What is not given is as it is stored."""
    parser.add_argument(
        "--lan", metavar="IF", action="append", help="an interface where people are (repeats)"
    )
    parser.add_argument("--cameras", metavar="IF", action="append", help="one where cameras are (repeats)")
    parser.add_argument("--tunnel", metavar="IF", help="the tunnel's (default: the configured one)")
    parser.add_argument("--web-port", metavar="N", type=int, help="of the screen (default: of `listen`)")
    parser.add_argument(
        "--wireguard-port", metavar="N", type=int, help="where the hub calls first (default: none)"
    )
    parser.add_argument("--ssh-port", metavar="N", type=int)
    for name, about in (
        ("ssh", "ssh from the LAN"),
        ("ntp", "the cameras may ask for the time"),
        ("ntp-lan", "the LAN may ask for the time"),
        ("dhcp", "the cameras get their addresses from this box"),
        ("mdns", "the LAN finds this box by its name"),
    ):
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=about)


def run(args: argparse.Namespace) -> int:
    doing: dict[str, Callable[[argparse.Namespace, Config, Database], int]] = {
        "show": _show,
        "check": _check,
        "apply": _apply,
    }
    config = config_of(args)
    must_be_box(config.data_dir)
    db = open_appliance(config.data_dir)  # and no more: at the machine's start this is not to take long
    try:
        return doing[args.what](args, config, db)
    finally:
        db.close()


def _show(args: argparse.Namespace, config: Config, db: Database) -> int:
    if not args.counts:
        print(render.ruleset(_wanted(args, config, db)), end="")
        return 0
    counted = nft.counted(Programs())
    if not counted:
        raise ApplianceError("not_found", "no rules of ours are in force", f"put them in force: {EXAMPLE}")
    for rule in counted:
        print(f"{rule.packets:12d}  {rule.chain:9s}  {rule.verdict:6s}  {rule.about}")
    return 0


def _check(args: argparse.Namespace, config: Config, db: Database) -> int:
    wanted = _wanted(args, config, db)
    check_present(wanted)
    nft.check(render.ruleset(wanted), Programs())
    print("the kernel would take these rules; nothing was changed")
    return 0


def _apply(args: argparse.Namespace, config: Config, db: Database) -> int:
    trials = Trials(config.data_dir, Programs(), BoxClock(), boot_id())
    if args.wait:
        return _wait(trials)
    if args.confirm:
        boot.keep(
            config.data_dir, trials.confirm(lambda found: db.write_now(lambda conn: _keep(conn, found)))
        )
        print("confirmed: these rules stay, also after a restart")
        return 0
    if args.stored:
        return _stored(config, db)
    wanted = msgspec.structs.replace(_wanted(args, config, db), enabled=not args.off)
    if not args.off:
        check_present(wanted)
    trials.begin(wanted, None if args.off else render.ruleset(wanted), args.seconds)
    _leave_a_child(config)
    print(f"in force for {args.seconds:g} s; if you can still reach the box, say so:")
    print(f"  appliance firewall apply --data {config.data_dir} --confirm")
    return 0


def _stored(config: Config, db: Database) -> int:
    """After a restore, or an update that makes other rules of the same settings."""
    found = db.read_now(rows.load)
    boot.keep(config.data_dir, found)
    if not found.enabled:
        print("no firewall is set: nothing was changed")
        return 0
    nft.apply(render.ruleset(found), Programs())
    print("in force")
    return 0


def _wait(trials: Trials) -> int:
    """Until it is confirmed or undone, by us or by another."""
    while (left_s := trials.left_s()) is not None:
        if not trials.revert_if_due():
            time.sleep(min(1.0, max(0.0, left_s)) + MARGIN_S)
    return 0


def _leave_a_child(config: Config) -> None:
    """It outlives this command and the connection over which it was typed: that is when it is needed."""
    words = [sys.executable, "-m", "appliance", "firewall", "apply", "--wait", "--data", str(config.data_dir)]
    null = subprocess.DEVNULL
    subprocess.Popen(words, stdin=null, stdout=null, stderr=null, start_new_session=True)


def _keep(conn: sqlite3.Connection, found: FirewallSettings) -> None:
    rows.save(conn, found)
    audit.add(conn, BoxClock().now_ns(), None, "change", "firewall", msgspec.to_builtins(found))


def _wanted(args: argparse.Namespace, config: Config, db: Database) -> FirewallSettings:
    """Stored settings with what the command line says instead."""

    def read(conn: sqlite3.Connection) -> FirewallSettings:
        stored = rows.load(conn)
        if settings_rows.get_value(conn, rows.ROW) is not None:
            return stored
        tunnel = kept.wanted(conn).config
        return msgspec.structs.replace(
            stored, web_port=config.listen.port, tunnel=tunnel.interface if tunnel is not None else ""
        )

    names = set(FirewallSettings.__struct_fields__) - {"enabled"}
    given: dict[str, Any] = {name: value for name in names if (value := getattr(args, name)) is not None}
    for name in ("lan", "cameras"):
        if name in given:
            given[name] = tuple(given[name])
    return msgspec.structs.replace(db.read_now(read), **given)
