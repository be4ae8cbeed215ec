"""wireguard-go: WireGuard as a program, for kernels that have none."""

import os
import subprocess
import time

from appliance.base.errors import ApplianceError
from appliance.system.programs import Programs
from appliance.system.tunnel import uapi
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.interface import Endpoint, address_and_routes, hex_of, take_away, text_of
from appliance.system.tunnel.keys import Keys
from appliance.system.tunnel.uapi import PeerFigures

STARTS_WITHIN_S = 5.0
STOPS_WITHIN_S = 3.0
_POLL_S = 0.02


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
        address_and_routes(config, self._programs)

    def set_endpoint(self, config: TunnelConfig, endpoint: Endpoint) -> None:
        lines = [
            ("public_key", hex_of(config.peer_key)),
            ("update_only", "true"),
            ("endpoint", text_of(endpoint)),
        ]
        uapi.set_(config.interface, lines)

    def figures(self, config: TunnelConfig) -> PeerFigures:
        if self._child is not None and self._child.poll() is not None:
            status = self._child.returncode
            self._child = None
            raise ApplianceError(
                "unavailable", f"wireguard-go ended (status {status})", "it is started again"
            )
        return uapi.figures(config.interface, hex_of(config.peer_key))

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
        take_away(config.interface, self._programs)
        uapi.path_of(config.interface).unlink(missing_ok=True)

    def _answers(self, interface: str) -> bool:
        try:
            uapi.get(interface)
        except ApplianceError:
            return False
        return True

    def _start(self, interface: str) -> None:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LOG_LEVEL": "error",
            "WG_PROCESS_FOREGROUND": "1",  # as -f, and no banner in the log at every start
        }
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


def _uapi_lines(
    config: TunnelConfig, keys: Keys, endpoint: Endpoint | None, known: list[str]
) -> list[tuple[str, str]]:
    """``known``: peers that are there. Replacing the one that we want would end its session."""
    peer = hex_of(config.peer_key)
    return [
        ("private_key", hex_of(keys.current)),
        *([("listen_port", str(config.listen_port))] if config.listen_port else []),
        *([("replace_peers", "true")] if known != [peer] else []),
        ("public_key", peer),
        ("preshared_key", hex_of(keys.preshared) if keys.preshared else "0" * 64),
        *([("endpoint", text_of(endpoint))] if endpoint else []),
        ("persistent_keepalive_interval", str(config.keepalive_s)),
        ("replace_allowed_ips", "true"),
        *(("allowed_ip", text) for text in config.allowed_ips),
    ]
