"""Ports by ip(8), at once: in namespaces, and on machines where systemd-networkd does not run.

Nobody asks for a lease here and nobody gives one: a port that is to have its address by DHCP keeps what it
has. What is confirmed is written for networkd all the same.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.system.network.links import Link
from appliance.system.network.settings import NetworkSettings, Port
from appliance.system.network.steps import Steps

Command = tuple[str, ...]


def steps(found: NetworkSettings, links: Sequence[Link], root: Path) -> Steps:
    here = {link.name: link for link in links}
    run: list[Command] = []
    undo: list[Command] = []
    for port in found.ports:
        link = here.get(port.device)
        if link is None and port.vlan:
            words = ("ip", "link", "add", "link", port.name, "name", port.device)
            run += [("ip", "link", "set", port.name, "up"), (*words, "type", "vlan", "id", str(port.vlan))]
            undo.append(("ip", "link", "delete", port.device))
        run += _wanted(port, link)
    for link in links:
        if any(link.name in (port.device, port.name) for port in found.ports):
            undo += _before(link)
    return Steps(run=tuple(run), undo_run=tuple(undo))


def _wanted(port: Port, link: Link | None) -> Iterator[Command]:
    yield ("ip", "link", "set", port.device, "up")
    if port.roles and port.static is None:
        return
    kept = str(port.static) if port.static else ""
    for address in link.addresses if link else ():
        if address != kept:  # first: the kernel takes a network's later addresses away with its first one
            yield ("ip", "addr", "del", address, "dev", port.device)
    if port.static:
        broadcast = str(port.static.network.broadcast_address)
        yield ("ip", "addr", "replace", kept, "broadcast", broadcast, "dev", port.device)
    if port.gateway:
        yield ("ip", "route", "replace", "default", "via", port.gateway, "dev", port.device)


def _before(link: Link) -> Iterator[Command]:
    yield ("ip", "-4", "addr", "flush", "dev", link.name)
    for address in link.addresses:
        yield ("ip", "addr", "replace", address, "broadcast", "+", "dev", link.name)
    yield ("ip", "link", "set", link.name, "up" if link.up else "down")
    for route in link.routes:
        via = ("via", route.via) if route.via else ()
        metric = ("metric", str(route.metric)) if route.metric is not None else ()
        yield ("ip", "route", "replace", route.to, *via, "dev", link.name, *metric)
