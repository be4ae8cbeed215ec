"""What is answered: ``[network]`` of answers.toml, and the page's form."""

import msgspec

from appliance.system.network.settings import NetworkSettings, Port


class NetworkGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``ports``: each with ``name`` and ``roles`` (see ``appliance.system.network.settings.Port``); empty:
    the network stays as it is, and the firewall with it. ``firewall``: nothing reaches the box but what it
    is for. ``ssh``: from the uplink, too."""

    ports: tuple[Port, ...] = ()
    firewall: bool = True
    ssh: bool = False

    @property
    def settings(self) -> NetworkSettings:
        return NetworkSettings(self.ports)


class NetworkFound(msgspec.Struct, frozen=True):
    """For the page. ``ports``: of the machine. ``now``: what was answered before, else what is suggested.
    ``answered``: it was. ``backend``: ``networkd``; ``direct`` where that does not run; ``files``: under
    another root. ``seconds_left``: of a change that waits, begun by a wizard that is no more."""

    ports: tuple["PortFound", ...]
    now: NetworkGiven
    answered: bool
    backend: str
    firewall: bool
    seconds_left: float | None


class PortFound(msgspec.Struct, frozen=True):
    """``carrier``: a cable with something at its other end. ``heard``: machines that it has heard of."""

    name: str
    mac: str
    carrier: bool
    addresses: tuple[str, ...]
    by_dhcp: bool
    gateway: str
    heard: int
