"""The interface itself: made, configured, looked at, taken away. Kernel WireGuard where there is one, else
wireguard-go with the same configuration through its socket; which one, and why, is told.

The calls block (a program, a socket, netlink: milliseconds); the runner makes them in a thread.
"""

import os
from typing import Protocol

from appliance.base.errors import ApplianceError
from appliance.system.programs import NEEDS_RIGHTS, Programs
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.interface import OURS, Endpoint, kind_of
from appliance.system.tunnel.kernel import Kernel
from appliance.system.tunnel.keys import Keys
from appliance.system.tunnel.uapi import PeerFigures
from appliance.system.tunnel.userspace import Userspace


class Device(Protocol):
    """``kind``: kernel | wireguard-go. ``because``: why that one, in words."""

    kind: str
    because: str

    def up(self, config: TunnelConfig, keys: Keys, endpoint: Endpoint | None) -> None:
        """Make the interface where it is not there, and give it exactly this configuration, address and
        routes. Called again for every change; what did not change is not interrupted."""

    def set_endpoint(self, config: TunnelConfig, endpoint: Endpoint) -> None:
        """Also with the same one: userspace forgets with it which own address it used before."""

    def figures(self, config: TunnelConfig) -> PeerFigures:
        """Raises ``unavailable`` where nothing answers: ``up`` again is the remedy."""

    def down(self, config: TunnelConfig) -> None:
        """Take it away; nothing happens where it is not there."""


def choose(name: str, programs: Programs) -> Device:
    """Kernel WireGuard if this kernel makes such an interface, else wireguard-go. Raises ``denied`` or
    ``unavailable`` with what to install where neither can be had."""
    kind = kind_of(name, programs)
    if kind not in ("", *OURS):
        hint = "give the tunnel another name, e.g. aries0"
        raise ApplianceError("conflict", f"{name} is an interface of another kind", hint)
    if kind == "tun":  # of a program that died, or of one that will be gone on with
        return Userspace(programs, "wireguard-go made this interface before")
    done = programs.ask("ip", "link", "add", "dev", name, "type", "wireguard")
    if done.status == 0 or kind == "wireguard":
        return Kernel(programs, "this kernel has WireGuard, which is faster than any program")
    if "not permitted" in done.error:
        raise ApplianceError("denied", "this process may make no interface", NEEDS_RIGHTS)
    why = done.error.splitlines()[0].removeprefix("Error: ").rstrip(".") if done.error else "it refuses"
    if not programs.has("wireguard-go"):
        raise ApplianceError(
            "unavailable",
            f"this kernel has no WireGuard ({why}), and wireguard-go is not installed",
            "apt-get install wireguard-go, or boot a kernel with WireGuard",
        )
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise ApplianceError(
            "unavailable",
            f"this kernel has no WireGuard ({why}), and /dev/net/tun cannot be opened for wireguard-go",
            "modprobe tun, and allow it to the unit: DeviceAllow=/dev/net/tun rw",
        )
    return Userspace(programs, f"this kernel has no WireGuard ({why})")
