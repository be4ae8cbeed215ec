"""``appliance enrol``: make this box one of a hub's, with a one-time code."""

import argparse
import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError, invalid
from appliance.cli.box import add_data, open_box, print_json
from appliance.store import identity
from appliance.sync.enrol import Applicant
from appliance.sync.protocol import invitation, signing
from appliance.sync.protocol.invitation import FILE_NAME, LONGEST_BYTES, SCHEME, Invitation

EXAMPLE = "appliance enrol https://hub.example abcde-fghjk-mnpqr-stuvw --data /var/lib/aries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "hub", metavar="URL", nargs="?", help=f"the hub's address, or what a QR code says ({SCHEME}...)"
    )
    parser.add_argument("code", metavar="CODE", nargs="?", help="the one-time code that the hub's admin made")
    parser.add_argument(
        "--from", dest="source", metavar="PLACE", type=Path, help=f"a stick with {FILE_NAME}, or that file"
    )
    parser.add_argument(
        "--ca", metavar="FILE", type=Path, help="PEM: the only authorities that the hub is believed by"
    )
    parser.add_argument(
        "--sha256", metavar="HEX", default="", help="of the hub's own certificate, as it prints it at start"
    )
    parser.add_argument("--again", action="store_true", help="the box belongs to a hub already")
    parser.add_argument(
        "--identity", action="store_true", help="only print this box's fingerprint, for a code of its own"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line")


def run(args: argparse.Namespace) -> int:
    asked = None if args.identity else _invitation(args)
    ca = None if args.ca is None else _text(args.ca, 100_000, "ca")
    with open_box(args) as (_, stores):
        if asked is None:
            now_ns = BoxClock().now_ns()
            own = stores.appliance.write_now(lambda conn: identity.ensure(conn, stores.sealer, now_ns))
            print(own.fingerprint)
            return 0
        applicant = Applicant(stores.appliance, stores.sealer, BoxClock())
        link = asyncio.run(applicant.enrol(asked, ca, again=args.again))
        public_key = stores.appliance.read_now(identity.public_key) or b""
    facts = {
        "box_id": link.box_id,
        "identity": identity.fingerprint_of(public_key),
        "command_key": signing.key_id(link.command_key),
    }
    if args.json:
        print_json(facts)
        return 0
    print(f"enrolled: this box belongs to {urlsplit(asked.url).netloc} now")
    print(f"  this box's identity: {facts['identity']} (the hub shows the same)")
    print(f"  its number at the hub: {link.box_id}")
    print(f"  orders are obeyed if signed with {facts['command_key']}; what may be ordered is set on the box")
    return 0


def _invitation(args: argparse.Namespace) -> Invitation:
    """Raises ``invalid``: one of three ways, and one alone."""
    if args.source is not None and args.hub is None:
        path = args.source / FILE_NAME if args.source.is_dir() else args.source
        return invitation.parse(_text(path, LONGEST_BYTES, "from"))
    if args.source is None and args.hub is not None and args.code is not None:
        return invitation.checked(args.hub, args.code, args.sha256)
    if args.source is None and args.hub is not None and args.hub.startswith(SCHEME):
        return invitation.parse(args.hub)
    raise invalid("say where the hub is, and the code", f"for example: {EXAMPLE}", field="code")


def _text(path: Path, most_bytes: int, field: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(most_bytes + 1).decode()
    except OSError as error:
        raise ApplianceError(
            "invalid", f"{path}: {error.strerror}", "is the stick in?", field=field
        ) from error
    except UnicodeDecodeError as error:
        raise invalid(f"{path} is no text", "give the file that the hub wrote", field=field) from error
