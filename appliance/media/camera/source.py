"""What the stream thread reads from, whatever is behind it: packets, parameters, and faults.

``connect`` opens one: ``rtsp`` for cameras, ``libav`` for files and HTTP.
"""

import os
import socket
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from appliance.base.errors import ApplianceError, Kind
from appliance.base.model import GapCause
from appliance.media.camera.audio import AudioFormat
from appliance.media.mp4 import h26x

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 4.0
MOST_EMPTY = 16  # times in a row that a picture ended and there was none
NOTHING_SENT = "the camera stopped sending: no data in time"
OTHER_CODEC = "the camera sends another codec than it announced"


class SourceFault(Exception):
    """The camera gives no video. ``cause`` goes to the ledger, the text to the screen."""

    def __init__(self, cause: GapCause, text: str) -> None:
        super().__init__(text)
        self.cause: GapCause = cause


class RawPacket(NamedTuple):
    """``data``: length-prefixed NAL units of one picture, or one audio frame as it came.
    ``camera_ns``: when it was taken by the camera's own clock, where it tells."""

    is_video: bool
    data: bytes | bytearray
    pts_90k: int
    is_key: bool
    camera_ns: int | None = None


class Source(Protocol):
    """An open connection. Use it in one thread, and ``close`` it there.

    ``audio``: what sound the camera offers, carried or not; ``fps``: what it says, if it says.
    """

    codec: h26x.Codec
    audio: AudioFormat | None
    fps: float | None

    def hurry(self) -> None:
        """Give a file's packets as fast as they can be read."""

    def parameter_sets(self) -> list[bytes]:
        """What the SDP or the file's header says; may be empty or wrong."""

    def packets(self) -> Iterator[RawPacket]:
        """Until the connection ends, which is always a ``SourceFault``."""

    def close(self) -> None:
        """Free the camera's place; safe to call whatever happened."""


def network_fault(error: Exception, what: str) -> SourceFault:
    """What the network did to ``what``, in our words: never in the error's own, which may hold a
    whole URL with its password."""
    match error:
        case TimeoutError():
            reason = "no data in time"
        case ConnectionRefusedError():
            reason = "connection refused"
        case EOFError() | ConnectionResetError() | BrokenPipeError():
            reason = "it closed the connection"
        case socket.gaierror():
            reason = "its name is not known"
        case OSError(errno=int(number)):
            reason = os.strerror(number).lower()
        case _:
            reason = type(error).__name__
    return SourceFault("camera_offline", f"{what}: {reason}")


def as_appliance_error(fault: SourceFault) -> ApplianceError:
    """For people who test a URL by hand."""
    hints: dict[str, str] = {
        "auth_failed": "check the user name and password in the camera's own page",
        "no_video": "check the path of the URL in the camera's manual",
    }
    kind: Kind = "denied" if fault.cause == "auth_failed" else "unavailable"
    hint = hints.get(fault.cause, "check the cable, the address and that RTSP is switched on in the camera")
    return ApplianceError(kind, str(fault), hint)
