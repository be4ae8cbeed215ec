"""``appliance camera``: the cameras of a box, also while it runs; the daemon notices by itself."""

import argparse
import asyncio
import os
import sqlite3
from typing import Any

import msgspec

from appliance.base.clock import BoxClock
from appliance.base.errors import invalid, not_found
from appliance.base.ids import free_slug
from appliance.base.model import Camera, Credentials
from appliance.base.redaction import forbid
from appliance.cli.box import add_command, open_box, print_json
from appliance.store import audit, cameras
from appliance.web.cameras.body import CameraBody, check_body, seal_for, to_camera
from appliance.web.connections.addresses import one_credential, read_address
from appliance.web.params import decode

EXAMPLE = "appliance camera add --data /var/lib/aries Gate rtsp://192.168.1.20:554/stream1"
PASSWORD_VARIABLE = "CAMERA_PASSWORD"  # noqa: S105 - its name
PROBE_TIMEOUT_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="add|list|test|remove")
    add = add_command(
        commands, "add", "appliance camera add --data DIR Gate rtsp://192.168.1.20/stream1 --username bob"
    )
    add.add_argument("words", metavar="NAME URL", nargs="+", help="what people call it, and its address")
    add.add_argument("--name", help=argparse.SUPPRESS)
    add.add_argument("--sub", metavar="URL", help="address of its small stream")
    _credentials(add)
    listing = add_command(commands, "list", "appliance camera list --data DIR")
    listing.add_argument("--json", action="store_true", help="JSON lines")
    test = add_command(commands, "test", "appliance camera test rtsp://192.168.1.20/stream1 --username bob")
    test.add_argument("url", metavar="URL")
    test.add_argument("--json", action="store_true", help="one JSON line")
    _credentials(test)
    remove = add_command(commands, "remove", "appliance camera remove --data DIR gate")
    remove.add_argument("id", metavar="ID", help="as `camera list` shows it; footage ages out, events stay")


def run(args: argparse.Namespace) -> int:
    return {"add": _add, "list": _list, "test": _test, "remove": _remove}[args.what](args)


def _credentials(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--username", metavar="U")
    parser.add_argument(
        "--password-file",
        metavar="F",
        help=f"its first line; or set {PASSWORD_VARIABLE}: a password on a command line is seen by all users",
    )


def _add(args: argparse.Namespace) -> int:
    name, url = _name_and_url(args)
    fields: dict[str, Any] = {"name": name, "rtsp_url": url, "sub_url": args.sub}
    if args.username is not None:
        fields["username"] = args.username
    if (password := _password(args)) is not None:
        fields["password"] = password
    body = decode(msgspec.json.encode(fields), CameraBody)
    with open_box(args) as (config, stores):
        wanted = check_body(body, allow_file=config.allow_file_sources)
        now_ns = BoxClock().now_ns()

        def work(conn: sqlite3.Connection) -> Camera:
            id_ = free_slug(body.name, cameras.taken_ids(conn))
            camera = to_camera(body, wanted, id_, None, now_ns)
            sealed = seal_for(conn, stores.sealer, camera, None, wanted)
            cameras.insert(conn, camera, None if isinstance(sealed, cameras.Keep) else sealed)
            audit.add(conn, now_ns, None, "changed", f"camera/{id_}", {"added": camera.name, "by": "command"})
            return camera

        print(stores.appliance.write_now(work).id)
    return 0


def _name_and_url(args: argparse.Namespace) -> tuple[str, str]:
    """``NAME URL``, ``URL NAME`` or ``--name NAME URL``: people try all of them."""
    urls = [word for word in args.words if "://" in word]
    names = [word for word in args.words if "://" not in word] + ([args.name] if args.name else [])
    if len(urls) != 1 or len(names) != 1:
        raise invalid("a camera has one name and one address", f"for example: {EXAMPLE}", field="rtsp_url")
    return names[0], urls[0]


def _password(args: argparse.Namespace) -> str | None:
    password = os.environ.get(PASSWORD_VARIABLE)
    if args.password_file is not None:
        try:
            with open(args.password_file, encoding="utf-8") as file:  # noqa: PTH123 - /dev/stdin too
                password = file.readline().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            hint = "give a file whose first line is the password"
            raise invalid(f"{args.password_file} cannot be read", hint, field="password_file") from error
    if password:
        forbid(password)
    return password


def _list(args: argparse.Namespace) -> int:
    with open_box(args) as (_, stores):
        for camera in stores.appliance.read_now(cameras.list_cameras):
            if args.json:
                print_json(msgspec.to_builtins(camera))
            else:
                state = "" if camera.enabled else "  (disabled)"
                print(f"{camera.id:24s} {camera.name:24s} {camera.rtsp_url}{state}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    with open_box(args) as (_, stores):
        now_ns = BoxClock().now_ns()

        def work(conn: sqlite3.Connection) -> None:
            camera = cameras.get(conn, args.id)
            if camera is None or camera.archived_ns is not None:
                raise not_found("camera", args.id)
            cameras.archive(conn, args.id, now_ns)
            audit.add(
                conn, now_ns, None, "changed", f"camera/{args.id}", {"archived": camera.name, "by": "command"}
            )

        stores.appliance.write_now(work)
    return 0


def _test(args: argparse.Namespace) -> int:
    address = read_address(args.url, "url", allow_file=True)
    password = _password(args)
    given = Credentials(args.username or "", password or "") if args.username or password else None
    credentials = one_credential("password", given, address.credentials)
    if credentials is not None:
        forbid(credentials.password)
    report = msgspec.to_builtins(asyncio.run(_probe(address.url, credentials)))
    if args.json:
        print_json(report)
        return 0
    for key, value in report.items():
        if isinstance(value, list | tuple):
            for item in value:
                print(f"{key:22s} {item}")
        elif value is not None:
            print(f"{key:22s} {value}")
    return 0


async def _probe(url: str, credentials: Credentials | None) -> Any:
    from appliance.daemon.simulators import Simulators
    from appliance.media.camera.probe import probe

    simulators = Simulators(BoxClock(), allow_files=True)
    try:
        real = await simulators.resolve(url)
        return await asyncio.to_thread(probe, real, credentials, PROBE_TIMEOUT_S)
    finally:
        await simulators.close()
