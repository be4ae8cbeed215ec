"""``appliance hub``: the endpoint that many boxes report to; and its ``code``, ``peers``, ``import``."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path

from appliance.base import log
from appliance.base.clock import SECOND_NS, BoxClock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid
from appliance.base.ids import uuid7
from appliance.cli.box import add_data, config_of, print_json
from appliance.cli.hub_import import import_folder
from appliance.daemon.door import OF_HUB
from appliance.daemon.first_boot import ADMIN, claim_code
from appliance.daemon.serving import serve
from appliance.hub import tunnel
from appliance.hub.app import make_app
from appliance.hub.box_api.enrol import code_hash, new_code
from appliance.hub.collecting import collect_seldom
from appliance.hub.hub import Hub
from appliance.hub.running import Places, open_hub, running
from appliance.hub.store import audit, boxes, codes, users
from appliance.hub.store.codes import Code
from appliance.hub.store.sqlite import FILE_NAME as ROWS
from appliance.hub.store.steps import Steps, lock
from appliance.hub.store.users import Person
from appliance.store.targets import Target
from appliance.sync import address
from appliance.sync.protocol import invitation
from appliance.sync.protocol.invitation import FILE_NAME
from appliance.system import tls

EXAMPLE = "appliance hub --data /var/lib/aries-hub --listen 0.0.0.0:8444"
POLL_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=("serve", "code", "peers", "import"),
        default="serve",
        help="serve (default); code: print a one-time code of enrolment; peers: the tunnel's [Peer] sections;"
        " import: take in what boxes wrote to the stick at DIR",
    )
    parser.add_argument("folder", nargs="?", metavar="DIR", type=Path, help="import: the stick")
    add_data(parser)
    parser.add_argument("--listen", metavar="HOST:PORT", help="where it answers (default 0.0.0.0:8443)")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="postgresql://HOST/NAME (user and password by PGUSER, PGPASSWORD or PGPASSFILE);"
        " default: SQLite in DIR",
    )
    parser.add_argument(
        "--files",
        metavar="PLACE",
        help="s3://BUCKET/PREFIX (keys and address by AWS_* variables) or a folder; default: DIR/files",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")
    parser.add_argument("--site", default=None, help="code: the id of the site that the box is to belong to")
    parser.add_argument("--name", default="", help="code: what the box is to be called")
    parser.add_argument("--url", help="code: where boxes come to enrol; prints the whole invitation, to scan")
    parser.add_argument(
        "--stick", metavar="DIR", type=Path, help=f"code: write the invitation there, as {FILE_NAME}"
    )
    parser.add_argument(
        "--handshakes",
        metavar="FILE",
        type=Path,
        help="peers: what `wg show INTERFACE latest-handshakes` printed (- for standard input): keys that"
        " boxes changed over to become theirs",
    )
    parser.add_argument("--hours", type=float, default=24.0, help="code: how long it counts (default 24)")


def run(args: argparse.Namespace) -> int:
    config = config_of(args, listen=args.listen)
    places = Places(config.data_dir, args.database, args.files)
    if args.what == "serve":
        os.umask(0o077)
        handler = log.set_up(config.log_level)
        try:
            asyncio.run(_serve(config, places, args.json))
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()
        return 0
    if args.what == "import":
        return asyncio.run(import_folder(places, args.folder, json=args.json))
    asyncio.run(_code(config, places, args) if args.what == "code" else _peers(places, args.handshakes))
    return 0


async def _serve(config: Config, places: Places, json: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = BoxClock()
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(open_hub(places, clock))
        hub.host = config.listen.host
        code = await _first_start(hub)
        await stack.enter_async_context(running(hub))
        stack.callback(asyncio.create_task(_follow_time(clock), name="clock").cancel)
        served = await serve(stack, make_app(hub), config, clock, auto_decompress=False, crowd=OF_HUB)
        hub.fingerprint = served.fingerprint or ""
        stack.callback(asyncio.create_task(collect_seldom(clock), name="collect").cancel)
        _announce(served.url, served.fingerprint, hub, places, code, json)
        await stop.wait()


async def _follow_time(clock: BoxClock) -> None:
    while True:
        await asyncio.sleep(POLL_S)
        clock.poll()


async def _first_start(hub: Hub) -> str | None:
    """The claim code of ``admin`` where nobody can sign in yet; of two instances that start at once,
    one has it."""
    if await hub.store.read(users.admin_count) > 0:
        return None
    code, now_ns = claim_code(), hub.clock.now_ns()
    hashed = await hub.passwords.hash(code)
    admin = Person(uuid7(now_ns), ADMIN, "admin", must_change_password=True, created_ns=now_ns)

    def work() -> Steps[bool]:
        yield from lock("first start")
        if (yield from users.admin_count()) > 0:
            return False
        yield from users.put(admin, hashed)
        yield from audit.add(now_ns, None, None, "changed", "hub", {"what": "first start"})
        return True

    return code if await hub.store.write(work) else None


def _announce(
    url: str, fingerprint: str | None, hub: Hub, places: Places, code: str | None, json: bool
) -> None:
    facts = {
        "ready": True,
        "url": url,
        "username": ADMIN,
        "store": hub.store.kind,
        "files": hub.files.kind,
        "data": str(places.data_dir),
        "fingerprint": fingerprint,
    }
    if json:
        print_json(facts | ({"claim_code": code} if code else {}))
        return
    if code is not None:
        print(f"claim code: {code}")
        print("  (sign in once as admin with it, then choose a password; it is not shown again)")
    print(f"ready: {url}")
    if fingerprint:
        print(f"  certificate SHA-256 {fingerprint}")
    print(f"  rows: {hub.store.kind}; files: {hub.files.kind}; data: {places.data_dir}")
    print("  Ctrl-C stops it", flush=True)


async def _code(config: Config, places: Places, args: argparse.Namespace) -> None:
    if args.stick is not None and (args.url is None or not args.stick.is_dir()):
        raise invalid("an invitation on a stick needs --url and a folder", "is the stick in?", field="stick")
    if not 0 < args.hours <= 24 * 366:
        raise invalid("a code counts for some hours, at most a year", "write --hours 24", field="hours")
    # What a hub's first start leaves behind. Where its rows are elsewhere, its key is here all the same.
    trace = places.data_dir / ROWS if places.database is None else config.secrets_dir / "box.key"
    if not trace.is_file():
        raise ApplianceError(
            "not_found",
            f"there is no hub in {places.data_dir}",
            f"name the folder of your hub, or start it once first: appliance hub --data {places.data_dir}",
            field="data_dir",
        )
    async with open_hub(places, BoxClock()) as hub:
        now_ns = hub.clock.now_ns()
        text = new_code()
        invited = None if args.url is None else _invitation(config, args.url, text)
        made = Code(
            uuid7(now_ns), args.name, args.site, "", "the command line", now_ns,
            now_ns + round(args.hours * 3600 * SECOND_NS),
        )  # fmt: skip

        def work() -> Steps[None]:
            yield from codes.add(made, code_hash(text))
            yield from audit.add(now_ns, None, None, "changed", f"code/{made.id}", {"what": "made"})

        await hub.store.write(work)
    if args.stick is not None and invited is not None:
        (args.stick / FILE_NAME).write_text(invited + "\n")
    if args.json:
        print_json({"code": text, "id": made.id, "hours": args.hours, "invitation": invited})
    else:
        print(invited or text)


def _invitation(config: Config, url: str, code: str) -> str:
    """With the fingerprint of the hub's own certificate, where it shows that one."""
    cert = config.secrets_dir / tls.CERT_NAME
    shows_own = config.tls == "auto" and url.startswith("https://") and cert.is_file()
    fingerprint = tls.fingerprint_of(cert) if shows_own else ""
    asked = invitation.checked(url, code, fingerprint)
    address.validate(Target("hub", asked.url, "hub"))
    return invitation.render(asked)


async def _peers(places: Places, handshakes: Path | None) -> None:
    known = None
    if handshakes is not None:
        known = tunnel.read_handshakes(sys.stdin.read() if str(handshakes) == "-" else handshakes.read_text())
    async with open_hub(places, BoxClock()) as hub:
        peers = await hub.store.read(boxes.peers)
        for box_id, key in tunnel.settled(peers, known or {}):
            await hub.store.write(partial(boxes.settle_next, box_id, key))
        peers = await hub.store.read(boxes.peers)
        print(tunnel.render_peers(peers, hub.sealer, known), end="")
