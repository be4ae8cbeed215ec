"""Whether it holds: what is checked after the change, before anybody (or a file of answers) confirms it."""

import asyncio
import sys
import time
from collections.abc import Sequence

from appliance.system.network import links
from appliance.system.network.links import Link
from appliance.system.network.settings import Port
from appliance.system.programs import Programs
from provisioning.step import Check

ARP_LOOKS, ARP_LOOK_S = 20, 0.2  # the kernel asks three times, a second apart
_SEND = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', (sys.argv[1], 9))"


def checks(ports: Sequence[Port], here: Sequence[Link], programs: Programs) -> list[Check]:
    found = []
    known = {link.name: link for link in here}
    for port in ports:
        if port.roles:
            found.append(_address(port, known.get(port.device)))
    for port in ports:
        link = known.get(port.device)
        if "uplink" in port.roles and link is not None:
            found += _gateway(port, link, programs)
    return found


def lacks_lease(ports: Sequence[Port], here: Sequence[Link]) -> bool:
    known = {link.name: link for link in here}
    return any(
        port.roles and port.static is None and (link := known.get(port.device)) is not None
        and link.carrier and not link.addresses
        for port in ports
    )  # fmt: skip


def _address(port: Port, link: Link | None) -> Check:
    name = f"port {port.device}"
    if link is None:
        return Check(
            name, False, "the machine has no such port", "look at `ip link`; is the adapter plugged in?"
        )
    has = ", ".join(link.addresses) or "no address"
    if port.static is not None:
        right = str(port.static) in link.addresses
        return Check(
            name, right, f"has {has}", "" if right else f"it should have {port.static}: apply it again"
        )
    if link.addresses:
        return Check(name, True, f"has {has}")
    why = "nobody on this network gives addresses" if link.carrier else "nothing is plugged in"
    return Check(
        name, False, f"has no address: {why}", "plug in the router's cable, or give it a fixed address"
    )


def _gateway(port: Port, link: Link, programs: Programs) -> list[Check]:
    """Answers to ARP count: many routers do not answer pings."""
    gateway = next((route.via for route in link.routes if route.to == "default" and route.via), port.gateway)
    if not gateway:
        return []
    there = _answers(gateway, port.device, programs)
    text = f"{gateway} answers" if there else f"{gateway} does not answer"
    return [Check("router", there, text, "" if there else "check address, gateway and cable of this port")]


def _answers(gateway: str, device: str, programs: Programs) -> bool:
    """To ARP, which every machine answers: it is forgotten, then something is sent to it (to the discard
    port, RFC 863), for which the kernel has to find it again."""
    programs.ask("ip", "neigh", "del", gateway, "dev", device)
    programs.ask(sys.executable, "-S", "-c", _SEND, gateway)
    for _ in range(ARP_LOOKS):
        state = programs.ask("ip", "neigh", "show", gateway, "dev", device).text
        if "lladdr" in state or "FAILED" in state:
            return "lladdr" in state
        time.sleep(ARP_LOOK_S)
    return False


async def look(programs: Programs) -> tuple[Link, ...]:
    return await asyncio.to_thread(links.look, programs)
