"""``python -m appliance.simulator``: see ``--help``."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError, invalid
from appliance.simulator.control import obey, serve_lines
from appliance.simulator.server import SESSION_TIMEOUT_S, Server, parse_listen
from appliance.simulator.spec import CameraSpec, parse_spec
from appliance.simulator.stdin import read_stdin, stop_on_signals

_EXAMPLE = """example:
  python -m appliance.simulator --camera 'gate?size=1280x720&codec=h265&user=admin&password=...' \\
      --camera 'yard?script=stall@10,heal@20,reset@30' --camera 'shop?file=/tmp/shop.mp4'

keys of a camera: fps size codec gop seed audio user password auth file loop bframes bitrate stamp sei
port script. ``fleet`` as first word: ONVIF cameras of six makers instead.
Orders come as JSON lines on stdin, for example {"camera":"gate","do":"stall"}."""


def main() -> int:
    if sys.argv[1:2] == ["fleet"]:
        from appliance.simulator.onvif.program import main as fleet  # aiohttp: only where it is needed

        return fleet(sys.argv[2:])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="simulator: %(levelname)s %(message)s")
    arguments = _arguments()
    try:
        return asyncio.run(_serve(arguments))
    except ApplianceError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2 if error.kind == "invalid" else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m appliance.simulator",
        description="Serve cameras that are not there over RTSP.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--camera", action="append", default=[], metavar="NAME?KEY=VALUE&…")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--control", metavar="PATH", help="a unix socket that takes orders too")
    parser.add_argument("--session-timeout", type=float, default=SESSION_TIMEOUT_S, metavar="SECONDS")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin closes or the parent dies")
    parser.add_argument(
        "--cameras-on-stdin",
        action="store_true",
        help='the first line of stdin is {"cameras":["NAME?…",…]}: passwords stay out of the process list',
    )
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> int:
    host, port = parse_listen(arguments.listen)
    specs = [parse_spec(text) for text in arguments.camera]
    stop = asyncio.Event()
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()
    stop_on_signals(stop, with_parent=arguments.with_parent)
    read_stdin(asyncio.get_running_loop(), lines)
    if arguments.cameras_on_stdin:
        specs += _first_line(await lines.get())
    clock = BoxClock()
    server = Server(clock, arguments.session_timeout)
    control = None
    try:
        port = await server.listen(host, port)
        for spec in specs:
            await server.add(spec)
        if arguments.control:
            control = await serve_lines(server, arguments.control)
        _say({"ready": True, "port": port, "cameras": server.urls})
        obeying = asyncio.create_task(_obey_lines(server, lines, stop, arguments.with_parent))
        parent = os.getppid()
        while not stop.is_set():
            clock.poll()
            if arguments.with_parent and os.getppid() != parent:
                break
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                continue
        obeying.cancel()
    finally:
        if control is not None:
            control.close()
            Path(arguments.control).unlink(missing_ok=True)
        await server.close()
    return 0


async def _obey_lines(
    server: Server, lines: asyncio.Queue[bytes | None], stop: asyncio.Event, with_parent: bool
) -> None:
    while (line := await lines.get()) is not None:
        answer = await obey(server, line)
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
    if with_parent:
        stop.set()


def _first_line(line: bytes | None) -> list[CameraSpec]:
    try:
        texts = msgspec.json.decode(line or b"", type=dict[str, list[str]])["cameras"]
    except (msgspec.MsgspecError, KeyError):
        raise invalid("the first line of stdin is not a list of cameras", '{"cameras":["NAME?…"]}') from None
    return [parse_spec(text) for text in texts]


def _say(thing: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(thing) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
