"""``appliance stick``: make a mounted disk one that this box may deliver to by hand."""

import argparse
import base64
from pathlib import Path

from appliance.base.clock import BoxClock
from appliance.base.ids import uuid7
from appliance.cli.box import add_data, open_box, print_json
from appliance.store import identity, settings
from appliance.sync.bundle import marker

EXAMPLE = "appliance stick /media/usb --data /var/lib/aries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the stick is mounted")
    parser.add_argument("--any", action="store_true", help="it goes round the sites: any box may write there")
    parser.add_argument("--json", action="store_true", help="one JSON line")


def run(args: argparse.Namespace) -> int:
    clock = BoxClock()
    now_ns = clock.now_ns()
    with open_box(args) as (_, stores):
        device_id = stores.appliance.write_now(lambda conn: settings.ensure_device_id(conn, now_ns))
        name = stores.appliance.read_now(settings.load).site.name
        own = stores.appliance.write_now(lambda conn: identity.ensure(conn, stores.sealer, now_ns))
    mark = marker.Marker(uuid7(now_ns), "any" if args.any else device_id)
    marker.prepare(args.folder, mark)
    facts = {
        "stick": mark.id,
        "for": mark.for_,
        "device_id": device_id,
        "identity_key": base64.b64encode(own.public_key).decode(),
        "identity": own.fingerprint,
    }
    if args.json:
        print_json(facts)
        return 0
    print(f"{args.folder}: {'any box' if args.any else 'this box'} may write there now (stick {mark.id})")
    print("  add a target: Settings, Connections, Disk or USB stick, with this folder:")
    print(f"    file://{args.folder.resolve()}")
    print(
        f"  the hub takes what is on it from boxes that it knows; this one is {name!r}, device {device_id},"
    )
    print(f"    identity {own.fingerprint}")
    return 0
