"""The plan, in words: one change for each file, address and ruleset that is not so already."""

from collections.abc import Sequence
from pathlib import Path

from appliance.system import clock_source, files
from appliance.system.files import MachineFile
from appliance.system.network.links import Link
from appliance.system.network.settings import Port
from provisioning.step import Change
from provisioning.steps.network.given import NetworkGiven

_WITHOUT = {
    "direct": "the machine's network service does not run: addresses are set at once, and DHCP does nothing",
    "files": "this is another root than the machine's: files are written there, and nothing else is done",
}


def port_in_words(port: Port) -> str:
    if not port.roles:
        return f"port {port.device}: not used"
    roles = {"uplink": "people and the way out", "cameras": "cameras"}
    text = f"port {port.device}: {' and '.join(roles[role] for role in port.roles)}, "
    text += "address by DHCP" if port.static is None else f"address {port.static}"
    if port.gateway:
        text += f", gateway {port.gateway}"
    return f"{text}, gives the cameras {port.pool}" if port.pool else text


def file_changes(given: NetworkGiven, wanted: Sequence[MachineFile], root: Path) -> list[Change]:
    ports = {port.device: port for port in given.ports}
    found = []
    for file in files.differing(wanted, root):
        name = file.path.rpartition("/")[2]
        device, _, kind = name.removeprefix("20-aries-").rpartition(".")
        if kind == "netdev":
            text = f"a VLAN: {device}" if file.text else f"no VLAN {device} any more"
        elif kind == "network":
            text = port_in_words(ports.get(device, Port(device)))
        else:
            continue  # our own note of it, which nobody reads but this step
        found.append(Change(text, files.difference(file, root)))
    return found


def address_changes(given: NetworkGiven, links: Sequence[Link], said: Sequence[Change]) -> list[Change]:
    """An address that the file has and the port has not: a machine that was restarted without networkd."""
    here = {link.name: link for link in links}
    already = {change.text for change in said}
    found = []
    for port in given.ports:
        link = here.get(port.device)
        if port.static is None or (link is not None and str(port.static) in link.addresses):
            continue
        if port_in_words(port) not in already:
            found.append(Change(f"port {port.device}: gets {port.static} again, which it has lost"))
    return found


def cameras_networks(given: NetworkGiven, links: Sequence[Link]) -> tuple[str, ...]:
    """Who may ask the box for the time."""
    here = {link.name: link for link in links}
    found: list[str] = []
    for port in given.ports:
        if "cameras" not in port.roles:
            continue
        if port.static is not None:
            found.append(str(port.static.network))
        elif port.device in here:
            found += here[port.device].addresses
    return tuple(found)


def time_change(serving: MachineFile, networks: Sequence[str], root: Path) -> list[Change]:
    if not files.differing([serving], root):
        return []
    text = f"cameras in {', '.join(networks)} may ask this box for the time"
    if not networks:
        text = "no camera asks this box for the time any more"
    return [Change(text, files.difference(serving, root))]


def notes(given: NetworkGiven, links: Sequence[Link], backend: str, chrony: bool) -> list[str]:
    here = {link.name: link for link in links}
    found = []
    for port in given.ports:
        link = here.get(port.device) or here.get(port.name)
        if port.roles and link is not None and not link.carrier:
            found.append(f"port {port.name}: nothing is plugged in")
        if len(port.roles) == 2:
            found.append(
                f"port {port.device} carries people and cameras: people there reach the cameras past the box"
            )
    if backend != "networkd":
        found.append(_WITHOUT[backend])
    if not chrony:
        found.append("chrony is not installed: the cameras get no time from this box")
    return found


def serving(given: NetworkGiven, links: Sequence[Link]) -> tuple[MachineFile, tuple[str, ...]]:
    networks = cameras_networks(given, links)
    return clock_source.serving(networks), networks
