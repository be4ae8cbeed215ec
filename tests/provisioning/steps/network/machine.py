"""A program for one namespace of network and mounts: a machine on which systemd-networkd runs, with its bus,
and the network's step on it as on a box. Reads lines ``VERB JSON`` from stdin, answers each with a line.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from appliance.base.clock import BoxClock
from appliance.system.programs import Programs
from provisioning.ground import Ground
from provisioning.steps.network.step import Network, backend

EMPTY = ("/etc/systemd/network", "/etc/chrony/conf.d", "/run")


class NoDaemon:
    is_box = False


def begin() -> list[subprocess.Popen]:
    """Folders of its own in place of this machine's; /sys read-only, as in a container: udev is not waited
    for."""
    for folder in EMPTY:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    Path("/etc/aries").mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/etc/aries"], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", "/sys"], check=True)
    for folder in ("/run/dbus", "/run/systemd/network", "/run/systemd/netif"):
        Path(folder).mkdir(parents=True)
    subprocess.run(["chown", "systemd-network:", "/run/systemd/netif"], check=True)
    bus = subprocess.Popen(["dbus-daemon", "--system", "--nofork", "--nopidfile"])
    while not Path("/run/dbus/system_bus_socket").exists():
        time.sleep(0.05)
    network = subprocess.Popen(["/lib/systemd/systemd-networkd"], stderr=subprocess.DEVNULL)
    while not Path("/run/systemd/netif/state").exists():
        time.sleep(0.05)
    return [network, bus]


async def act(step: Network, ground: Ground, verb: str, given) -> object:
    if verb == "plan":
        return [change.text for change in (await step.plan(ground, given)).changes]
    if verb in ("apply", "try"):
        Network.confirm_s = 60.0 if verb == "apply" else 8.0
        await step.apply(ground, given, lambda text: None)
        return backend(ground)
    if verb == "verify":
        return [check.text for check in await step.verify(ground, given) if not check.ok]
    if verb == "confirm":
        return await step.confirm(ground)
    if verb == "files":
        return sorted(str(path) for folder in EMPTY for path in Path(folder).rglob("*aries*"))
    return [link.name for link in (await step.probe(ground)).ports]


def main() -> None:
    children = begin()
    ground = Ground(Path(sys.argv[1]), BoxClock(), Programs(), NoDaemon(), Path("/"), Path("/run/aries"))
    step = Network()
    print("{}", flush=True)
    try:
        for line in sys.stdin:
            verb, _, text = line.strip().partition(" ")
            given = msgspec.json.decode(text, type=Network.given) if text else None
            print(json.dumps(asyncio.run(act(step, ground, verb, given))), flush=True)
    finally:
        for child in children:
            child.kill()
            child.wait()


main()
