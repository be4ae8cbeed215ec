"""Talking to the service manager: sd_notify(3) over its datagram socket, no library needed.

Without ``NOTIFY_SOCKET`` every call does nothing, so that the box runs the same from a shell.
"""

import os
import socket
from collections.abc import Mapping

_US_PER_S = 1_000_000


class Notifier:
    """``ready``, ``status``, ``watchdog`` and ``stopping`` may be called from any thread."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self.watchdog_s = _watchdog_s(environ)

    @property
    def supervised(self) -> bool:
        return self._socket is not None

    def ready(self) -> None:
        """The web answers, and every enabled camera records or has a state that says why not."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; no credentials."""
        self._send("STATUS=" + text.replace("\n", " ")[:400])

    def watchdog(self) -> None:
        """We are not stuck. To be sent at least twice in ``watchdog_s``."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Start or stop takes longer than planned (a big recovery): wait that much more."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * _US_PER_S)}")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            pass  # a manager that does not listen must not stop the box; its watchdog will tell


def _address(name: str) -> str | None:
    if name.startswith("@"):
        return "\0" + name[1:]  # abstract socket
    return name if name.startswith("/") else None


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """The interval from sd_watchdog_enabled(3); None where no watchdog is set for this process."""
    pid = environ.get("WATCHDOG_PID")
    if pid and pid != str(os.getpid()):
        return None
    try:
        interval_us = int(environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return interval_us / _US_PER_S if interval_us > 0 else None
