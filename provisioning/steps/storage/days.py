"""How many days disks hold for the cameras at hand."""

from typing import Any

from appliance.base.errors import ApplianceError
from appliance.media.ring.days import RESERVE_BYTES, RESERVE_SHARE
from provisioning.ground import Daemon
from provisioning.steps.storage.given import Need

USUAL_BPS = 4_500_000.0  # a camera of 1080p, H.264: main 4 Mbit/s, sub 0.5; said to be an estimate
USUAL_CAMERAS = 8
DAY_S = 86_400


async def need(daemon: Daemon) -> Need:
    """From the streams that are recorded now, with the usual for cameras that are not yet; before there are
    cameras, as an estimate."""
    try:
        status: Any = await daemon.ask("GET", "/system/status") if daemon.is_box else {}
    except ApplianceError:
        status = {}  # it does not answer just now: an estimate is better than no page
    cameras = int(status.get("cameras", {}).get("total", 0))
    measured: dict[str, float] = {}
    for stream in status.get("streams", []):
        bits = stream.get("bitrate_bps") or 0
        if bits:
            measured[stream["camera_id"]] = measured.get(stream["camera_id"], 0.0) + bits
    if not cameras:
        return Need(0, USUAL_CAMERAS * USUAL_BPS, True)
    missing = max(0, cameras - len(measured))
    return Need(cameras, sum(measured.values()) + missing * USUAL_BPS, not measured)


def room(total_bytes: int) -> int:
    """Of a disk for footage: what retention may fill, see ``appliance.media.ring.days``."""
    return max(0, int(total_bytes - max(RESERVE_SHARE * total_bytes, RESERVE_BYTES)))


def days(free_bytes: int, found: Need) -> float:
    return free_bytes * 8 / (found.bits_per_s * DAY_S) if found.bits_per_s > 0 else float("inf")


def in_words(free_bytes: int, found: Need) -> str:
    """``about 12 days for 8 cameras (an estimate …)``."""
    count = days(free_bytes, found)
    amount = f"{count:.0f} days" if count >= 3 else f"{count * 24:.0f} hours"
    if not found.cameras:
        return f"about {amount} for {USUAL_CAMERAS} usual cameras (an estimate: none is here yet)"
    text = f"about {amount} for {found.cameras} camera{'s' if found.cameras > 1 else ''}"
    return f"{text} (an estimate: none records yet)" if found.estimated else text
