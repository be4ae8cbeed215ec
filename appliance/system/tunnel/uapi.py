"""Userspace WireGuard's socket: "Cross-Platform Userspace Implementation" on wireguard.com/xplatform.

``get=1`` and ``set=1`` with key=value lines, ended by an empty one; keys are hex there. Ours and not
``wireguard_tools``' client: that one writes a pre-shared key as base64, an IPv6 endpoint without brackets,
and waits for ever for a process that died.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.base.errors import ApplianceError

FOLDER = Path("/var/run/wireguard")
ANSWER_S = 2.0
MOST_BYTES = 1 << 20


class PeerFigures(msgspec.Struct, frozen=True):
    """``handshake_s``: UNIX time of the last handshake, 0: none yet. ``endpoint``: host:port, or empty."""

    handshake_s: float = 0.0
    rx_bytes: int = 0
    tx_bytes: int = 0
    endpoint: str = ""
    public_key_hex: str = ""


def path_of(interface: str) -> Path:
    return FOLDER / f"{interface}.sock"


def get(interface: str) -> list[tuple[str, str]]:
    """Every line of the answer, secrets too: for ``figures``, not for showing."""
    return _ask(interface, [("get", "1")])


def set_(interface: str, lines: list[tuple[str, str]]) -> None:
    """Raises ``unavailable`` where the process does not answer, ``invalid`` where it refuses."""
    _ask(interface, [("set", "1"), *lines])


def figures(interface: str, peer_key_hex: str) -> PeerFigures:
    """Of one peer. Raises ``unavailable`` where the process does not answer, or does not know it."""
    peers: dict[str, dict[str, str]] = {}
    mine: dict[str, str] = {}
    for key, value in get(interface):
        if key == "public_key":
            mine = peers.setdefault(value, {})
        mine[key] = value
    found = peers.get(peer_key_hex)
    if found is None:
        raise _silent(interface, "does not know the endpoint's key")
    return PeerFigures(
        int(found.get("last_handshake_time_sec", 0)) + int(found.get("last_handshake_time_nsec", 0)) / 1e9,
        int(found.get("rx_bytes", 0)),
        int(found.get("tx_bytes", 0)),
        found.get("endpoint", ""),
        peer_key_hex,
    )


def _ask(interface: str, lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    text = "".join(f"{key}={value}\n" for key, value in lines) + "\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(ANSWER_S)
            peer.connect(str(path_of(interface)))
            peer.sendall(text.encode())
            answer = list(_lines(peer))
    except (OSError, ValueError) as error:
        raise _silent(interface, getattr(error, "strerror", None) or "does not answer") from error
    errno = dict(answer).get("errno", "missing")
    if errno != "0":
        raise ApplianceError(
            "invalid", f"wireguard-go refused the configuration of {interface} (errno {errno})", "see its log"
        )
    return [line for line in answer if line[0] != "errno"]


def _lines(peer: socket.socket) -> Iterator[tuple[str, str]]:
    with peer.makefile("r", encoding="ascii", newline="\n") as file:
        for count, line in enumerate(iter(lambda: file.readline(4096), "\n")):
            if not line.endswith("\n") or count > MOST_BYTES // 32:
                raise ValueError("the answer is cut off")
            key, _, value = line[:-1].partition("=")
            yield key, value


def _silent(interface: str, why: str) -> ApplianceError:
    return ApplianceError(
        "unavailable", f"the process of tunnel {interface}: {why}", "it is started again; see the log if not"
    )
