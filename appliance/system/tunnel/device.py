"""The interface itself: made, configured, looked at, taken away. Kernel WireGuard where there is one, else
wireguard-go with the same configuration through its socket; which one, and why, is told.

The calls block (a program, a socket, netlink: milliseconds); the runner makes them in a thread.
"""

import json
import os
import subprocess
import time
from typing import Any, Protocol

from wireguard_tools import WireguardConfig, WireguardKey, WireguardPeer

from appliance.base.errors import ApplianceError
from appliance.system.programs import NEEDS_RIGHTS, Programs
from appliance.system.tunnel import uapi
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.keys import Keys
from appliance.system.tunnel.uapi import PeerFigures

STARTS_WITHIN_S = 5.0
STOPS_WITHIN_S = 3.0
OURS = ("tun", "wireguard")
_POLL_S = 0.02

Endpoint = tuple[str, int]
"""(numeric address, port)"""


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
    kind = _kind_of(name, programs)
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


class Userspace:
    """wireguard-go as a child of ours, in the foreground, so that its death is seen at once."""

    kind = "wireguard-go"

    def __init__(self, programs: Programs, because: str) -> None:
        self.because = because
        self._programs = programs
        self._child: subprocess.Popen[bytes] | None = None

    def up(self, config: TunnelConfig, keys: Keys, endpoint: Endpoint | None) -> None:
        if not self._answers(config.interface):
            self.down(config)
            self._start(config.interface)
        known = [value for key, value in uapi.get(config.interface) if key == "public_key"]
        uapi.set_(config.interface, _uapi_lines(config, keys, endpoint, known))
        _address_and_routes(config, self._programs)

    def set_endpoint(self, config: TunnelConfig, endpoint: Endpoint) -> None:
        lines = [
            ("public_key", _hex(config.peer_key)),
            ("update_only", "true"),
            ("endpoint", _text(endpoint)),
        ]
        uapi.set_(config.interface, lines)

    def figures(self, config: TunnelConfig) -> PeerFigures:
        if self._child is not None and self._child.poll() is not None:
            status = self._child.returncode
            self._child = None
            raise ApplianceError(
                "unavailable", f"wireguard-go ended (status {status})", "it is started again"
            )
        return uapi.figures(config.interface, _hex(config.peer_key))

    def down(self, config: TunnelConfig) -> None:
        child, self._child = self._child, None
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        # of a process of before: it ends with its interface, and leaves its socket where it was killed
        _take_away(config.interface, self._programs)
        uapi.path_of(config.interface).unlink(missing_ok=True)

    def _answers(self, interface: str) -> bool:
        try:
            uapi.get(interface)
        except ApplianceError:
            return False
        return True

    def _start(self, interface: str) -> None:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LOG_LEVEL": "error"}
        self._child = self._programs.start("wireguard-go", "-f", interface, environment=environment)
        for _ in range(round(STARTS_WITHIN_S / _POLL_S)):
            if self._answers(interface):
                return
            if self._child.poll() is not None:
                break
            time.sleep(_POLL_S)
        self._child.kill()
        self._child.wait()
        self._child = None
        hint = "its own words are in the log just before this"
        raise ApplianceError("unavailable", "wireguard-go does not start", hint)


class Kernel:
    """WireGuard of the kernel, through netlink (``wireguard_tools``)."""

    kind = "kernel"

    def __init__(self, programs: Programs, because: str) -> None:
        self.because = because
        self._programs = programs

    def up(self, config: TunnelConfig, keys: Keys, endpoint: Endpoint | None) -> None:
        done = self._programs.ask("ip", "link", "add", "dev", config.interface, "type", "wireguard")
        if done.status != 0 and "File exists" not in done.error:
            raise ApplianceError("unavailable", f"ip: {done.error[:200]}", "run it by hand to see why")
        with _Netlink(config.interface) as netlink:
            netlink.set_config(_wireguard_config(config, keys, endpoint))
        _address_and_routes(config, self._programs)

    def set_endpoint(self, config: TunnelConfig, endpoint: Endpoint) -> None:
        peer = {"public_key": config.peer_key, "endpoint_addr": endpoint[0], "endpoint_port": endpoint[1]}
        with _Netlink(config.interface) as netlink:
            netlink.wg.set(config.interface, peer=peer)

    def figures(self, config: TunnelConfig) -> PeerFigures:
        with _Netlink(config.interface) as netlink:
            peer = netlink.get_config().peers.get(WireguardKey(config.peer_key))
        if peer is None:
            raise ApplianceError(
                "unavailable", f"{config.interface} lost its configuration", "it is made again"
            )
        endpoint = f"{peer.endpoint_host}:{peer.endpoint_port}" if peer.endpoint_host else ""
        return PeerFigures(
            float(peer.last_handshake or 0), int(peer.rx_bytes or 0), int(peer.tx_bytes or 0), endpoint,
            _hex(config.peer_key),
        )  # fmt: skip

    def down(self, config: TunnelConfig) -> None:
        _take_away(config.interface, self._programs)


class _Netlink:
    """One question to the kernel; its faults in our words, its socket closed."""

    def __init__(self, interface: str) -> None:
        self._interface = interface

    def __enter__(self) -> Any:
        from wireguard_tools.wireguard_netlink import WireguardNetlinkDevice  # half a second of imports

        self._device = WireguardNetlinkDevice(self._interface)
        return self._device

    def __exit__(self, kind: Any, error: BaseException | None, frames: Any) -> None:
        self._device.close()
        if error is not None and not isinstance(error, ApplianceError):
            why = str(error)[:120] if isinstance(error, RuntimeError | OSError) else type(error).__name__
            raise ApplianceError("unavailable", f"WireGuard of the kernel: {why}", "see `dmesg`") from error


def _uapi_lines(
    config: TunnelConfig, keys: Keys, endpoint: Endpoint | None, known: list[str]
) -> list[tuple[str, str]]:
    """``known``: peers that are there. Replacing the one that we want would end its session."""
    peer = _hex(config.peer_key)
    return [
        ("private_key", _hex(keys.current)),
        *([("listen_port", str(config.listen_port))] if config.listen_port else []),
        *([("replace_peers", "true")] if known != [peer] else []),
        ("public_key", peer),
        ("preshared_key", _hex(keys.preshared) if keys.preshared else "0" * 64),
        *([("endpoint", _text(endpoint))] if endpoint else []),
        ("persistent_keepalive_interval", str(config.keepalive_s)),
        ("replace_allowed_ips", "true"),
        *(("allowed_ip", text) for text in config.allowed_ips),
    ]


def _wireguard_config(config: TunnelConfig, keys: Keys, endpoint: Endpoint | None) -> WireguardConfig:
    peer = WireguardPeer(
        public_key=config.peer_key,
        preshared_key=keys.preshared or None,
        endpoint_host=endpoint[0] if endpoint else None,
        endpoint_port=endpoint[1] if endpoint else None,
        persistent_keepalive=config.keepalive_s,
        allowed_ips=list(config.allowed_ips),
    )
    found = WireguardConfig(private_key=keys.current, listen_port=config.listen_port or None)
    found.add_peer(peer)
    return found


def _address_and_routes(config: TunnelConfig, programs: Programs) -> None:
    """Only what is ours is on the interface afterwards; ``replace`` does not interrupt what was there."""
    name = config.interface
    programs.must("ip", "link", "set", "dev", name, "mtu", str(config.mtu_bytes), "up")
    for line in programs.must("ip", "-o", "addr", "show", "dev", name, "scope", "global").splitlines():
        words = line.split()
        if words[3] != str(config.own):
            programs.must("ip", "addr", "del", words[3], "dev", name)
    programs.must("ip", "addr", "replace", str(config.own), "dev", name)
    wanted = {str(route) for route in config.routes}
    for family in ("-4", "-6"):
        for line in programs.must("ip", family, "route", "show", "dev", name, "proto", "static").splitlines():
            if _whole(line.split()[0]) not in wanted:
                programs.must("ip", family, "route", "del", line.split()[0], "dev", name)
    for route in sorted(wanted):
        programs.must("ip", "route", "replace", route, "dev", name, "proto", "static")


def _whole(text: str) -> str:
    """``ip`` leaves the prefix length of one address away."""
    if "/" in text:
        return text
    return f"{text}/{128 if ':' in text else 32}"


def _kind_of(name: str, programs: Programs) -> str:
    """tun | wireguard | ... as ``ip`` says it; ``none`` for a network card; empty: no such interface."""
    done = programs.ask("ip", "-d", "-j", "link", "show", "dev", name)
    found = json.loads(done.text) if done.status == 0 and done.text.strip() else []
    return str(found[0].get("linkinfo", {}).get("info_kind", "none")) if found else ""


def _take_away(name: str, programs: Programs) -> None:
    """Never a network card, whatever name somebody configured."""
    if _kind_of(name, programs) in OURS:
        programs.ask("ip", "link", "del", "dev", name)


def _hex(key: str) -> str:
    return str(WireguardKey(key).hex)


def _text(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
