"""``python -m appliance.simulator fleet``: see ``--help``."""

import argparse
import asyncio
import logging
import os
import secrets
import sys
from ipaddress import IPv4Network
from typing import Any

import msgspec

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError, invalid
from appliance.simulator.onvif.announcing import GROUP
from appliance.simulator.onvif.device import FAULTS
from appliance.simulator.onvif.fleet import MIXED, SPARE_HOST, Fleet, plan
from appliance.simulator.onvif.orders import Orders
from appliance.simulator.spec import parse_size
from appliance.simulator.stdin import read_stdin, stop_on_signals

_SPARES = 20
_EXAMPLE = """example:
  python -m appliance.simulator fleet --cameras 12 --mixed --network 127.60.1.0/24

Any address of 127.0.0.0/8 can be had without setting anything up; discovery is then asked for on
127.0.0.1. Orders come as JSON lines on stdin, for example {"camera":"cam12","do":"move"}.

faults: """ + "\n        ".join(f"{name:15} {text}" for name, text in FAULTS.items())


def main(words: list[str]) -> int:
    """Run a fleet until it is told to end; the exit status. ``words``: what follows ``fleet``."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="fleet: %(levelname)s %(message)s")
    arguments = _arguments(words)
    try:
        return asyncio.run(_serve(arguments))
    except ApplianceError as error:
        sys.stderr.write(f"fleet: {error}\n")
        return 2 if error.kind == "invalid" else 1


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m appliance.simulator fleet",
        description="ONVIF cameras of six makers that are not there.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cameras", type=int, default=12, metavar="N")
    parser.add_argument("--network", default="127.60.1.0/24", metavar="NETWORK/24")
    parser.add_argument("--discovery-on", action="append", metavar="ADDRESS", help="default 127.0.0.1")
    parser.add_argument("--group-port", type=int, default=GROUP[1], metavar="PORT", help="of discovery")
    parser.add_argument("--user", default="admin")
    parser.add_argument(
        "--password", help="of these simulated cameras; default: a new one, in the ready line"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="N=FAULT", help="of camera N, from 1")
    parser.add_argument(
        "--mixed", action="store_true", help="the faults that an installer meets among twelve"
    )
    parser.add_argument("--main", default="640x360@10", metavar="SIZE@FPS")
    parser.add_argument("--sub", default="320x180@5", metavar="SIZE@FPS")
    parser.add_argument("--http-port", type=int, metavar="PORT", help="default: each maker's own")
    parser.add_argument("--rtsp-port", type=int, default=554, metavar="PORT")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin closes or the parent dies")
    return parser.parse_args(words)


async def _serve(arguments: argparse.Namespace) -> int:
    stop = asyncio.Event()
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()
    stop_on_signals(stop, with_parent=arguments.with_parent)
    clock = BoxClock()
    password = arguments.password or secrets.token_urlsafe(9)
    network = _network(arguments.network)
    group = (GROUP[0], arguments.group_port)
    fleet = Fleet(clock, arguments.discovery_on or ("127.0.0.1",), group)
    spare = [str(network.network_address + SPARE_HOST + number) for number in range(_SPARES)]
    orders = Orders(fleet, clock, spare)
    try:
        await fleet.open()
        for wanted in _plan(arguments, network, password):
            await fleet.add(wanted)
        read_stdin(asyncio.get_running_loop(), lines)
        ready = {"ready": True, "user": arguments.user, "password": password, "group": group}
        _say(ready | {"network": str(network), "cameras": fleet.told()})
        obeying = asyncio.create_task(_obey_lines(orders, lines, stop, arguments.with_parent))
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
        await fleet.close()
    return 0


def _plan(arguments: argparse.Namespace, network: IPv4Network, password: str) -> list[Any]:
    faults = [_fault(text) for text in arguments.fault]
    if arguments.mixed:
        faults += [(number, fault) for number, fault in MIXED.items() if number <= arguments.cameras]
    return plan(
        arguments.cameras,
        network,
        user=arguments.user,
        password=password,
        faults=faults,
        main=_stream(arguments.main),
        sub=_stream(arguments.sub),
        http_port=arguments.http_port,
        rtsp_port=arguments.rtsp_port,
    )


def _network(text: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise invalid(f"{text[:40]!r} is no network: {error}", "127.60.1.0/24", field="network") from None


def _fault(text: str) -> tuple[int, str]:
    number, _, fault = text.partition("=")
    if not number.isdigit():
        raise invalid(f"{text[:40]!r} is no fault of a camera", "write it as 3=slow", field="fault")
    return int(number), fault


def _stream(text: str) -> tuple[int, int, float]:
    size, _, rate = text.partition("@")
    width, height = parse_size(size)
    if not rate.isdigit() or not 1 <= int(rate) <= 30:
        raise invalid(f"{text[:40]!r} is no stream", "write it as 640x360@10", field="main")
    return width, height, float(rate)


async def _obey_lines(
    orders: Orders, lines: asyncio.Queue[bytes | None], stop: asyncio.Event, with_parent: bool
) -> None:
    while (line := await lines.get()) is not None:
        sys.stdout.buffer.write(await orders.obey(line))
        sys.stdout.buffer.flush()
    if with_parent:
        stop.set()


def _say(thing: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(thing) + b"\n")
    sys.stdout.buffer.flush()
