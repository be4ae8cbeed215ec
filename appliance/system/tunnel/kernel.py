"""WireGuard of the kernel, through netlink."""

from typing import Any

from wireguard_tools import WireguardConfig, WireguardKey, WireguardPeer

from appliance.base.errors import ApplianceError
from appliance.system.programs import Programs
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.interface import Endpoint, address_and_routes, hex_of, take_away
from appliance.system.tunnel.keys import Keys
from appliance.system.tunnel.uapi import PeerFigures


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
        address_and_routes(config, self._programs)

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
            hex_of(config.peer_key),
        )  # fmt: skip

    def down(self, config: TunnelConfig) -> None:
        take_away(config.interface, self._programs)


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
