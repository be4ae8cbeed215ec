"""Whether it holds: what is checked after the change, before anybody (or a file of answers) confirms it."""

import asyncio
from collections.abc import Sequence

from appliance.system.network import links
from appliance.system.network.links import Link
from appliance.system.network.settings import Port
from appliance.system.programs import Programs
from provisioning.step import Check

_ANSWERS = (
    "REACHABLE",
    "STALE",
    "DELAY",
    "PROBE",
)  # states of ip-neighbour(8) behind which there was an answer


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
    if programs.has("ping"):
        programs.ask("ping", "-c", "2", "-i", "0.3", "-W", "1", "-n", gateway)
    states = programs.ask("ip", "neigh", "show", gateway, "dev", port.device).text
    there = any(state in states for state in _ANSWERS)
    text = f"{gateway} answers" if there else f"{gateway} does not answer"
    return [Check("router", there, text, "" if there else "check address, gateway and cable of this port")]


async def look(programs: Programs) -> tuple[Link, ...]:
    return await asyncio.to_thread(links.look, programs)
