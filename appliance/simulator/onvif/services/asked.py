"""What every service's answers share: how one looks, and how it is refused."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from appliance.base.clock import SECOND_NS
from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.soap import Node

Answer = Callable[[Device, Element, str], Node | Awaitable[Node]]  # the text is the path that was asked
_DURATION = re.compile(r"-?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


class Refused(Exception):
    """The camera cannot: a SOAP fault with this subcode and reason."""

    def __init__(self, subcode: str, reason: str) -> None:
        super().__init__(reason)
        self.subcode = subcode
        self.reason = reason


def duration_s(written: str, default_s: float) -> float:
    """``PT1M5S`` -> 65.0 (XML Schema, duration without years and months)."""
    match = _DURATION.fullmatch(written.strip())
    if match is None or not any(match.groups()):
        return default_s
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + seconds


def moment(at_ns: int) -> str:
    """XML Schema's dateTime, to the second."""
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
