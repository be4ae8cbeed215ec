"""The configuration as files of others: wg-quick(8) and systemd.netdev(5), for sites that let those make
the tunnel. Without ``keys`` the secrets are blotted out: that form may be shown.
"""

import os
from pathlib import Path
from typing import Literal

from appliance.base.errors import ApplianceError
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.keys import Keys

Form = Literal["wg-quick", "networkd"]
HIDDEN = "(hidden)"
FILE_MODE = 0o640  # systemd.netdev(5): root:systemd-network 0640
_MADE = "# Made by `appliance tunnel show`; make it again after a rotation of keys."


def files(config: TunnelConfig, keys: Keys | None, form: Form) -> dict[str, str]:
    """File name -> text. ``keys`` None: nothing secret is in it."""
    if form == "wg-quick":
        return {f"{config.interface}.conf": wg_quick(config, keys)}
    return {
        f"50-{config.interface}.netdev": netdev(config, keys),
        f"50-{config.interface}.network": network(config),
    }


def wg_quick(config: TunnelConfig, keys: Keys | None) -> str:
    lines = [
        _MADE,
        "[Interface]",
        f"PrivateKey = {keys.current if keys else HIDDEN}",
        f"Address = {config.own}",
        f"MTU = {config.mtu_bytes}",
        *([f"ListenPort = {config.listen_port}"] if config.listen_port else []),
        *([f"DNS = {config.dns}"] if config.dns else []),
        "",
        "[Peer]",
        f"PublicKey = {config.peer_key}",
        *_preshared(keys, " = "),
        f"Endpoint = {config.endpoint}",
        f"AllowedIPs = {', '.join(config.allowed_ips)}",
        *([f"PersistentKeepalive = {config.keepalive_s}"] if config.keepalive_s else []),
    ]
    return "\n".join(lines) + "\n"


def netdev(config: TunnelConfig, keys: Keys | None) -> str:
    lines = [
        _MADE,
        "[NetDev]",
        f"Name={config.interface}",
        "Kind=wireguard",
        f"MTUBytes={config.mtu_bytes}",
        "",
        "[WireGuard]",
        f"PrivateKey={keys.current if keys else HIDDEN}",
        *([f"ListenPort={config.listen_port}"] if config.listen_port else []),
        "",
        "[WireGuardPeer]",
        f"PublicKey={config.peer_key}",
        *_preshared(keys, "="),
        f"Endpoint={config.endpoint}",
        *(f"AllowedIPs={text}" for text in config.allowed_ips),
        *([f"PersistentKeepalive={config.keepalive_s}"] if config.keepalive_s else []),
    ]
    return "\n".join(lines) + "\n"


def network(config: TunnelConfig) -> str:
    """Routes stand here and not in the .netdev (``RouteTable=`` needs systemd 250)."""
    lines = [
        _MADE,
        "[Match]",
        f"Name={config.interface}",
        "",
        "[Link]",
        "RequiredForOnline=no",  # the box starts without it
        "",
        "[Network]",
        f"Address={config.own}",
        "LinkLocalAddressing=no",
        "IPv6AcceptRA=no",
        *([f"DNS={config.dns}", "DNSDefaultRoute=no"] if config.dns else []),
        *(
            line
            for text in config.allowed_ips
            for line in ("", "[Route]", f"Destination={text}", "Scope=link")
        ),
    ]
    return "\n".join(lines) + "\n"


def write(texts: dict[str, str], folder: Path) -> list[Path]:
    """Each whole or not at all, 0640. Raises ``unavailable`` where the folder cannot be written."""
    written = []
    for name, text in texts.items():
        path, partial = folder / name, folder / f".{name}.new"
        try:
            partial.unlink(missing_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
            with os.fdopen(descriptor, "w") as file:
                os.fchmod(descriptor, FILE_MODE)  # whatever the umask is
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            partial.rename(path)
        except OSError as error:
            raise ApplianceError(
                "unavailable", f"{path}: {error.strerror}", "name a folder that this user can write"
            ) from error
        written.append(path)
    return written


def _preshared(keys: Keys | None, equals: str) -> list[str]:
    if keys is None:
        return [f"PresharedKey{equals}{HIDDEN}"]
    return [f"PresharedKey{equals}{keys.preshared}"] if keys.preshared else []
