"""probe → plan → apply (on trial) → verify → confirm."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import msgspec

from appliance.base.errors import invalid
from appliance.system import clock_source, files
from appliance.system.files import MachineFile
from appliance.system.firewall import nft
from appliance.system.firewall.render import ruleset
from appliance.system.network import direct, networkd
from appliance.system.network.links import Link
from appliance.system.network.settings import Port, check
from appliance.system.network.steps import Backend, Steps
from appliance.system.network.trial import Trials, pending, undo
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say
from provisioning.steps.network import look, sentences, wall
from provisioning.steps.network.given import NetworkFound, NetworkGiven, PortFound

KEPT: Final = "/etc/aries/network.json"
WIZARD_PORT = 8443
LEASE_S, LEASE_LOOKS_S = 8.0, 1.0
BACKENDS: Final[dict[str, Backend]] = {
    "networkd": networkd.steps,
    "direct": direct.steps,
    "files": lambda found, links, root: Steps(),
}
SUGGESTED = ("192.168.50.1/24", "10.50.0.1/24")


class Network(BaseStep[NetworkGiven]):
    name: ClassVar[str] = "network"
    title: ClassVar[str] = "Network"
    given = NetworkGiven
    confirm_s: ClassVar[float] = 60.0

    async def probe(self, ground: Ground) -> NetworkFound:
        trials = _trials(ground)
        await asyncio.to_thread(trials.look_after)
        here = await look.look(ground.programs)
        known = kept(ground.root)
        return NetworkFound(
            tuple(_found(link) for link in here if not link.vlan),
            known or suggested(here),
            known is not None,
            backend(ground),
            wall.kept(ground.data_dir) is not None,
            trials.left_s(),
        )

    async def plan(self, ground: Ground, given: NetworkGiven) -> Plan:
        check(given.settings)
        here = await look.look(ground.programs)
        _present(given.ports, here)
        if not given.ports:
            return Plan(notes=("the network stays as it is",))
        changes = _network_changes(ground, given, here)
        serving, networks = sentences.serving(given, here)
        changes += sentences.time_change(serving, networks, ground.root)
        changes += await _wall_changes(ground, given, here)
        said = sentences.notes(given, here, backend(ground), ground.programs.has("chronyd"))
        if changes:
            said.append(f"the network undoes itself after {self.confirm_s:g} s unless it is confirmed")
        return Plan(tuple(changes), tuple(said))

    async def apply(self, ground: Ground, given: NetworkGiven, say: Say) -> Applied:
        plan = await self.plan(ground, given)
        if not plan.changes:
            return Applied()
        here = await look.look(ground.programs)
        serving, _ = sentences.serving(given, here)
        steps = Steps()
        if _network_changes(ground, given, here):
            say(f"changing {', '.join(port.device for port in given.ports)}")
            steps = BACKENDS[backend(ground)](given.settings, here, ground.root)
        trials = _trials(ground)
        await trials.begin(steps, (serving, *lasting(ground.root, given)), self.confirm_s)
        try:
            await self._wall(ground, given, say)
        except BaseException:  # half of it would be neither the old nor the new: the ports go back at once
            await asyncio.to_thread(undo, ground.run)
            raise
        say(f"in force; it undoes itself in {self.confirm_s:g} s unless it is confirmed")
        return Applied(trials.left_s() or 0.0, _address(given, here))

    async def verify(self, ground: Ground, given: NetworkGiven | None) -> tuple[Check, ...]:
        wanted = given or kept(ground.root)
        if wanted is None or not wanted.ports:
            return (Check("network", True, "as it was"),)
        here = await look.look(ground.programs)
        waited_s = 0.0
        while backend(ground) == "networkd" and look.lacks_lease(wanted.ports, here) and waited_s < LEASE_S:
            await ground.clock.sleep(LEASE_LOOKS_S)
            waited_s += LEASE_LOOKS_S
            here = await look.look(ground.programs)
        found = await asyncio.to_thread(look.checks, wanted.ports, here, ground.programs)
        if wanted.firewall and has_wall(ground):
            there = await asyncio.to_thread(nft.in_force, ground.programs) is not None
            hint = "" if there else "apply this step again"
            found.append(Check("firewall", there, "in force" if there else "no rules are in force", hint))
        return tuple(found)

    async def confirm(self, ground: Ground) -> None:
        """The ports first: rules for ports that went back could lock somebody out, ports without rules
        cannot."""
        found = pending(ground.run)
        served = [file for file in found.keep if file.path == clock_source.SERVED] if found else []
        ask_anew = files.differing(served, ground.root)
        await asyncio.to_thread(_trials(ground).confirm)
        await asyncio.to_thread(wall.confirm, ground.data_dir, ground.programs)
        if ask_anew:
            await asyncio.to_thread(clock_source.restart, ground.root, ground.programs)

    async def _wall(self, ground: Ground, given: NetworkGiven, say: Say) -> None:
        if not has_wall(ground):
            return
        data_dir, programs = ground.data_dir, ground.programs
        if given.firewall:
            found = wall.wanted(given, data_dir)
            if not wall.is_so(found, data_dir):
                say("putting the firewall's rules in force")
                await asyncio.to_thread(wall.begin, found, data_dir, programs, self.confirm_s)
        elif wall.kept(data_dir) is not None:
            say("taking the firewall's rules away")
            await asyncio.to_thread(wall.end, data_dir, programs, self.confirm_s)


def backend(ground: Ground) -> str:
    """systemd-networkd says in /run that it runs; in a namespace of its own it does not. Under another root
    without a namespace the ports are not those that the answers are about: only files are written."""
    if ground.programs.prefix:
        return "direct"
    if ground.root != Path("/"):
        return "files"
    return "networkd" if ground.at("/run/systemd/netif/state").exists() else "direct"


def has_wall(ground: Ground) -> bool:
    return ground.daemon.is_box and ground.programs.has("nft") and backend(ground) != "files"


def lasting(root: Path, given: NetworkGiven) -> tuple[MachineFile, ...]:
    """Our note of the answers comes last: it says that all the others are there."""
    note = MachineFile(KEPT, msgspec.json.encode(given).decode() + "\n", 0o640)
    return (*networkd.lasting(given.settings, root), note)


def kept(root: Path) -> NetworkGiven | None:
    text = files.read(root, KEPT)
    try:
        return None if text is None else msgspec.json.decode(text, type=NetworkGiven)
    except msgspec.DecodeError:
        return None  # of another version: the files of networkd are what counts


def suggested(here: Sequence[Link]) -> NetworkGiven:
    """The port with a way out is the uplink; a second one with a cable is for the cameras."""
    bare = [link for link in here if not link.vlan]
    ways = [link for link in bare if any(route.to == "default" for route in link.routes)]
    up = next(iter(ways or [link for link in bare if link.addresses] or bare), None)
    if up is None:
        return NetworkGiven()
    rest = [link for link in bare if link.name != up.name]
    other = next((link for link in rest if link.carrier), rest[0] if rest else None)
    if other is None:
        return NetworkGiven((Port(up.name, ("uplink", "cameras")),))
    taken = any(address.startswith("192.168.50.") for address in up.addresses)
    return NetworkGiven(
        (Port(up.name, ("uplink",)), Port(other.name, ("cameras",), address=SUGGESTED[taken]))
    )


def _network_changes(ground: Ground, given: NetworkGiven, here: Sequence[Link]) -> list[Change]:
    changes = sentences.file_changes(given, networkd.lasting(given.settings, ground.root), ground.root)
    if backend(ground) == "files":
        return changes
    return changes + sentences.address_changes(given, here, changes)


async def _wall_changes(ground: Ground, given: NetworkGiven, here: Sequence[Link]) -> list[Change]:
    if not has_wall(ground):
        return []
    if not given.firewall:
        off = wall.kept(ground.data_dir) is not None
        return [Change("the firewall is switched off")] if off else []
    found = wall.wanted(given, ground.data_dir)
    text = ruleset(found)
    if wall.is_so(found, ground.data_dir):
        return []
    await asyncio.to_thread(nft.check, text, ground.programs)
    return [Change(wall.in_words(found), text)]


def _present(ports: Sequence[Port], here: Sequence[Link]) -> None:
    names = [link.name for link in here if not link.vlan]
    for number, port in enumerate(ports):
        if port.name not in names:
            hint = f"this machine has {', '.join(names) or 'none'}"
            raise invalid(f"there is no port {port.name}", hint, field=f"ports.{number}.name")


def _address(given: NetworkGiven, here: Sequence[Link]) -> str:
    """Where the page goes on if its own address is no more."""
    before = {address.partition("/")[0] for link in here for address in link.addresses}
    for port in given.ports:
        if "uplink" in port.roles and port.static is not None and str(port.static.ip) not in before:
            return f"https://{port.static.ip}:{WIZARD_PORT}/"
    return ""


def _found(link: Link) -> PortFound:
    gateway = next((route.via for route in link.routes if route.to == "default"), "")
    return PortFound(
        link.name, link.mac, link.carrier, link.addresses, link.by_dhcp, gateway, link.neighbours
    )


def _trials(ground: Ground) -> Trials:
    return Trials(ground.run, ground.root, ground.programs, ground.clock)
