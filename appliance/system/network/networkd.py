"""Ports by systemd-networkd: files in /etc/systemd/network that last, in /run/systemd/network on trial.

The first file in the order of all names, wherever it lies, that matches a port is the one that counts
(systemd.network(5)); so one in /run whose name sorts first stands before what lasts, and a restart of the
machine forgets it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from appliance.system.files import MachineFile
from appliance.system.network.links import Link
from appliance.system.network.settings import NetworkSettings, Port, pool_of
from appliance.system.network.steps import Steps

ETC, RUN = "/etc/systemd/network", "/run/systemd/network"
LASTING, TRIAL = "20-aries", "10-aries-trial"
_SUFFIXES = (".network", ".netdev")
_HEAD = "# Made by provisioning (the step `network`); change it there, not here."


def files(found: NetworkSettings, folder: str = ETC, prefix: str = LASTING) -> tuple[MachineFile, ...]:
    """In a fixed order. The same settings give the same texts."""
    ports = {port.device: port for port in found.ports}
    bare = {port.name for port in found.ports if port.vlan} - set(ports)
    for name in bare:  # it only carries VLANs
        ports[name] = Port(name)
    rendered = []
    for device, port in sorted(ports.items()):
        path = f"{folder}/{prefix}-{device}"
        vlans = sorted(other.device for other in found.ports if other.vlan and other.name == device)
        rendered.append(MachineFile(f"{path}.network", _network(port, vlans)))
        if port.vlan:
            text = _lines(_HEAD, "[NetDev]", f"Name={device}", "Kind=vlan", "", "[VLAN]", f"Id={port.vlan}")
            rendered.append(MachineFile(f"{path}.netdev", text))
    return tuple(rendered)


def lasting(found: NetworkSettings, root: Path) -> tuple[MachineFile, ...]:
    """What /etc must hold: the files of ``found``, and none of ours for a port that it does not name."""
    wanted = files(found)
    there = {f"{ETC}/{path.name}" for path in _ours(root, ETC, LASTING)}
    gone = there - {file.path for file in wanted}
    return (*wanted, *(MachineFile(path, None) for path in sorted(gone)))


def steps(found: NetworkSettings, links: Sequence[Link], root: Path) -> Steps:
    """A port that was ours and is named no more goes without an address."""
    named = {port.device for port in found.ports} | {port.name for port in found.ports}
    left = {path.stem.removeprefix(f"{LASTING}-") for path in _ours(root, ETC, LASTING)} - named
    here = {link.name: link for link in links}
    dropped = tuple(Port(name) for name in sorted(left) if name in here and not here[name].vlan)
    put = files(NetworkSettings((*found.ports, *dropped)), RUN, TRIAL)
    made = [port.device for port in found.ports if port.vlan and port.device not in here]
    again = [name for name in sorted(named | left) if name in here]
    reload = ("networkctl", "reload")
    configure = [("networkctl", "reconfigure", name) for name in again]
    return Steps(
        put=put,
        run=(reload, *configure),
        undo_remove=tuple(file.path for file in put),
        undo_run=(*(("ip", "link", "delete", name) for name in made), reload, *configure),
    )


def _ours(root: Path, folder: str, prefix: str) -> Iterable[Path]:
    return (p for p in (root / folder.lstrip("/")).glob(f"{prefix}-*") if p.suffix in _SUFFIXES)


def _network(port: Port, vlans: Sequence[str]) -> str:
    lines = [_HEAD, "[Match]", f"Name={port.device}", "", "[Link]", "RequiredForOnline=no", "", "[Network]"]
    lines += [f"VLAN={device}" for device in vlans]
    if not port.roles:
        return _lines(*lines, "DHCP=no", "LinkLocalAddressing=no", "IPv6AcceptRA=no")
    own = port.static
    if "uplink" in port.roles:
        lines += ["LinkLocalAddressing=ipv6", "IPv6AcceptRA=yes"]
    else:
        lines += ["LinkLocalAddressing=no", "IPv6AcceptRA=no"]
    if own is None:
        return _lines(*lines, f"DHCP={'yes' if 'uplink' in port.roles else 'ipv4'}", *_leased(port))
    lines += ["DHCP=no", f"Address={own}", "ConfigureWithoutCarrier=yes"]
    lines += [f"Gateway={port.gateway}"] if port.gateway else []
    lines += [f"DNS={server}" for server in port.dns]
    return _lines(*lines, *_server(port))


def _leased(port: Port) -> list[str]:
    """A network of cameras is no way out, whatever its router says. The box's own time source is set
    elsewhere."""
    if "uplink" in port.roles:
        return ["", "[DHCPv4]", "UseNTP=no", "UseHostname=no"]
    return ["", "[DHCPv4]", "UseNTP=no", "UseHostname=no", "UseGateway=no", "UseRoutes=no", "UseDNS=no"]


def _server(port: Port) -> list[str]:
    """No router and no name server for cameras: nothing but this box is for them. It is their clock."""
    if not port.pool or (own := port.static) is None:
        return []
    first, last = pool_of(port)
    return [
        "DHCPServer=yes",
        "",
        "[DHCPServer]",
        f"PoolOffset={int(first) - int(own.network.network_address)}",
        f"PoolSize={int(last) - int(first) + 1}",
        "EmitDNS=no",
        "EmitRouter=no",
        f"NTP={own.ip}",
        "DefaultLeaseTimeSec=12h",
        "MaxLeaseTimeSec=24h",
    ]


def _lines(*lines: str) -> str:
    return "\n".join([*lines, ""])
