"""What a camera says of its tracks: SDP (RFC 8866), with the fmtp lines of RFC 6184, 7798 and 3640.

Cameras bend it: spaces behind values, dynamic types without rtpmap, a static number for another
codec, "framerate:0S" in front of the right one. What is not understood is passed over.
"""

import base64
import binascii
import re
from typing import NamedTuple

_STATIC = {0: ("pcmu", 8000), 8: ("pcma", 8000), 26: ("jpeg", 90_000), 33: ("mp2t", 90_000)}  # RFC 3551
_URL = re.compile(r"rtsps?://", re.IGNORECASE)
MOST_TRACKS = 32


class Track(NamedTuple):
    """``kind``: audio, video, or what else the line says. ``encoding`` in lower case, "" where it is
    not said; ``url``: what SETUP asks for."""

    kind: str
    payload_type: int
    encoding: str
    clock_hz: int
    channels: int
    fmtp: dict[str, str]
    fps: float | None
    url: str


class Session(NamedTuple):
    """``url``: what PLAY and TEARDOWN ask for."""

    url: str
    tracks: tuple[Track, ...]


def parse(text: str, base_url: str) -> Session:
    """``base_url``: Content-Base where the camera gives one, else the address asked for. A text that
    is no SDP has no tracks."""
    session_url = base_url
    blocks: list[list[str]] = [[]]
    for line in map(str.strip, text.splitlines()):
        if line.startswith("m=") and len(blocks) <= MOST_TRACKS:
            blocks.append([])
        blocks[-1].append(line)
    control = _attributes(blocks[0]).get("control", ["*"])[0]
    if control not in ("", "*"):
        session_url = join(base_url, control)
    tracks = [_track(lines, base_url) for lines in blocks[1:]]
    return Session(session_url, tuple(track for track in tracks if track is not None))


def join(base_url: str, control: str) -> str:
    """As cameras mean it: put behind a slash, query or not (RFC 2326, C.1.1, would resolve it)."""
    if control in ("", "*"):
        return base_url
    if _URL.match(control):
        return control
    return f"{base_url.rstrip('/')}/{control.lstrip('/')}"


def parameter_sets(track: Track) -> list[bytes]:
    """The NAL units that the fmtp line holds; whatever is not base64 is left out."""
    names = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")
    units = []
    for piece in ",".join(track.fmtp.get(name, "") for name in names).split(","):
        try:
            units.append(base64.b64decode(piece + "=" * (-len(piece) % 4)))
        except (binascii.Error, ValueError):
            continue
    return [unit for unit in units if unit]


def _track(lines: list[str], base_url: str) -> Track | None:
    words = lines[0][2:].split()
    if len(words) < 4 or not re.fullmatch(r"[0-9]{1,3}", words[3]):
        return None
    payload_type = int(words[3])
    known = _attributes(lines)
    if "sendonly" in known:  # a back channel: the camera would play what we send (ONVIF)
        return None
    encoding, clock_hz = _STATIC.get(payload_type, ("", 90_000 if words[0] == "video" else 8000))
    channels = 1
    for value in known.get("rtpmap", []):
        number, _, rest = value.partition(" ")
        if number == words[3] and rest.strip():
            name, *more = rest.strip().split("/")
            encoding = name.strip().lower()
            clock_hz = _number(more[0], clock_hz) if more else clock_hz
            channels = _number(more[1], 1) if len(more) > 1 else 1
    fmtp: dict[str, str] = {}
    for value in known.get("fmtp", []):
        number, _, rest = value.partition(" ")
        if number == words[3]:
            fmtp |= _pairs(rest)
    rates = [_rate(value) for value in known.get("framerate", []) + known.get("x-framerate", [])]
    control = known.get("control", [""])[0]
    return Track(
        words[0], payload_type, encoding, clock_hz, channels, fmtp,
        next((rate for rate in rates if rate), None), join(base_url, control),
    )  # fmt: skip


def _attributes(lines: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


def _pairs(text: str) -> dict[str, str]:
    pairs = (piece.partition("=") for piece in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


def _number(text: str, otherwise: int) -> int:
    text = text.strip()
    return int(text) if re.fullmatch(r"[1-9]\d{0,6}", text, re.ASCII) else otherwise


def _rate(text: str) -> float | None:
    match = re.match(r"\d{1,3}(\.\d{1,6})?", text, re.ASCII)
    return float(match[0]) if match and 0.2 < float(match[0]) < 240 else None
