"""``appliance tunnel``: the box's end of it, also while the box runs: its runner notices by itself."""

import argparse
import asyncio
import base64
import contextlib
import logging
import signal
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from appliance.base import log as logs
from appliance.base.clock import BoxClock, boot_id, rfc3339
from appliance.base.errors import ApplianceError
from appliance.cli.box import add_command, config_of, must_be_box, open_box, print_json
from appliance.daemon.stores import open_appliance, open_sealer
from appliance.store import audit, identity
from appliance.store import settings as settings_rows
from appliance.system.firewall.trial import Trials, mind
from appliance.system.programs import Programs
from appliance.system.tunnel import kept, qr, render, state
from appliance.system.tunnel.kept import Wanted
from appliance.system.tunnel.runner import Runner
from appliance.system.tunnel.state import STEPS, TunnelState

log = logging.getLogger(__name__)

EXAMPLE = "appliance tunnel status --data /var/lib/aries"
FORMS = ("wg-quick", "networkd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="status|show|qr|up|down|rotate|run")
    status = add_command(commands, "status", EXAMPLE)
    status.add_argument("--json", action="store_true", help="one JSON object")
    show = add_command(
        commands, "show", "appliance tunnel show --data DIR --form networkd --into /etc/systemd/network"
    )
    show.add_argument(
        "--form", choices=FORMS, default="wg-quick", help="whose configuration (default wg-quick)"
    )
    show.add_argument(
        "--into",
        metavar="FOLDER",
        type=Path,
        help="write the files there, with the keys, 0640; else none is shown",
    )
    add_command(commands, "qr", "appliance tunnel qr --data DIR")
    add_command(commands, "up", "appliance tunnel up --data DIR")
    add_command(commands, "down", "appliance tunnel down --data DIR")
    rotate = add_command(commands, "rotate", "appliance tunnel rotate --data DIR")
    rotate.add_argument(
        "--acknowledged", metavar="KEY", help="the endpoint takes this public key: change over to it"
    )
    add_command(commands, "run", "appliance tunnel run --data /var/lib/aries   (what the unit starts)")


def run(args: argparse.Namespace) -> int:
    doing: dict[str, Callable[[argparse.Namespace], int]] = {
        "status": _status,
        "show": _show,
        "qr": _qr,
        "up": partial(_switch, True),
        "down": partial(_switch, False),
        "rotate": _rotate,
        "run": _run,
    }
    return doing[args.what](args)


def _status(args: argparse.Namespace) -> int:
    with open_box(args) as (config, stores):
        wanted = stores.appliance.read_now(kept.wanted)
        found = state.read(config.data_dir) or _nobody(wanted)
    if args.json:
        print_json(msgspec.to_builtins(found))
        return 0
    since = (
        f" {rfc3339(found.handshake_ns)}"
        if found.state == "no handshake since" and found.handshake_ns
        else ""
    )
    print(f"tunnel: {found.state}{since}{f' ({found.detail})' if found.detail else ''}")
    for name, value in (
        ("since", rfc3339(found.since_ns) if found.since_ns else ""),
        ("endpoint", found.endpoint),
        ("last handshake", rfc3339(found.handshake_ns) if found.handshake_ns else ""),
        ("made by", f"{found.backend}: {found.because}" if found.backend else ""),
        ("public key", found.public_key),
        ("keys", found.rotation if found.rotation != "steady" else ""),
        ("next step", found.hint),
    ):
        if value:
            print(f"  {name}: {value}")
    return 0


def _nobody(wanted: Wanted) -> TunnelState:
    if not wanted.on:
        return TunnelState(detail="it is not wanted", hint=STEPS["off"] if wanted.config else NOT_ENROLLED)
    return TunnelState(detail="no program runs it", hint="start it: systemctl start aries-tunnel")


NOT_ENROLLED = "enrol the box at its hub first: it brings the tunnel"


def _show(args: argparse.Namespace) -> int:
    with open_box(args) as (_, stores):
        wanted = stores.appliance.read_now(kept.wanted)
        keys = stores.appliance.read_now(lambda conn: kept.keys(conn, stores.sealer))
    if wanted.config is None:
        raise ApplianceError("not_found", "there is no tunnel configured", NOT_ENROLLED)
    if args.into is not None:
        for path in render.write(render.files(wanted.config, keys, args.form), args.into):
            print(path)
        return 0
    for name, text in render.files(wanted.config, None, args.form).items():
        print(f"# {name}\n{text}")
    return 0


def _qr(args: argparse.Namespace) -> int:
    with open_box(args) as (_, stores):
        now_ns = BoxClock().now_ns()

        def facts(conn: sqlite3.Connection) -> tuple[str, str, str]:
            tunnel_key = kept.ensure_keys(conn, stores.sealer).public
            own = identity.ensure(conn, stores.sealer, now_ns)
            identity_key = base64.b64encode(own.public_key).decode()
            return settings_rows.ensure_device_id(conn, now_ns), tunnel_key, identity_key

        content = qr.text(*stores.appliance.write_now(facts))
    print(qr.for_terminal(content))
    print(content)
    return 0


def _switch(on: bool, args: argparse.Namespace) -> int:
    def write(conn: sqlite3.Connection) -> None:
        kept.switch(conn, on)
        audit.add(conn, BoxClock().now_ns(), None, "change", "tunnel", {"on": on})

    with open_box(args) as (config, stores):
        stores.appliance.write_now(write)
        running = state.running(config.data_dir)
    print(f"the tunnel is wanted {'up' if on else 'down'}")
    if on and not running:
        print("  no program runs it now; start it: systemctl start aries-tunnel")
    return 0


def _rotate(args: argparse.Namespace) -> int:
    def write(conn: sqlite3.Connection) -> str:
        audit.add(
            conn, BoxClock().now_ns(), None, "change", "tunnel/keys", {"acknowledged": args.acknowledged}
        )
        if args.acknowledged:
            kept.acknowledged(conn, stores.sealer, args.acknowledged)
            return str(args.acknowledged)
        return kept.announce(conn, stores.sealer)

    with open_box(args) as (_, stores):
        public = stores.appliance.write_now(write)
    if args.acknowledged:
        print(
            f"{public} is tried now; the old key goes after its first handshake, or comes back after a minute"
        )
    else:
        print(f"new public key: {public}")
        print("  the old one stays in use until the hub has acknowledged this one")
    return 0


def _run(args: argparse.Namespace) -> int:
    """Until SIGTERM or Ctrl-C; the tunnel is taken down then."""
    config = config_of(args)
    must_be_box(config.data_dir)
    handler = logs.set_up(config.log_level)
    sealer, clock = open_sealer(config), BoxClock()
    db = open_appliance(config.data_dir)
    trials = Trials(config.data_dir, Programs(), clock, boot_id())
    try:
        asyncio.run(_until_told(Runner(db, sealer, clock, config.data_dir), trials, clock))
    finally:
        db.close()
        handler.close()
    return 0


async def _until_told(runner: Runner, trials: Trials, clock: BoxClock) -> None:
    work = asyncio.ensure_future(runner.run())
    minding = asyncio.ensure_future(mind(trials, clock))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    minding.cancel()
    log.info("tunnel: taken down")
