"""Whether cameras record, or why not: what the daemon says of each, in an installer's words."""

from typing import Any

from provisioning.ground import Ground
from provisioning.step import Check, Say
from provisioning.steps.cameras.wanted import CODECS

WAIT_S = 25.0  # a camera with a key frame every 10 s has shown two
POLL_S = 0.5
HINTS = {
    "auth_failed": "enter its user name and password again, here or on the camera's page",
    "offline": "check its cable, its power and its address",
    "connecting": "wait a moment and look again",
    "disabled": "switch it on on the camera's page",
}
WORDS = {
    "recording": "records",
    "live": "shows, and is not recorded: so it is set",
    "auth_failed": "refuses the password",
    "offline": "does not answer",
    "connecting": "is not there yet",
    "disabled": "is switched off",
}


async def wait_until_they_record(ground: Ground, say: Say) -> None:
    """Until each records or says why not, each said once; no longer than ``WAIT_S``."""
    said: set[str] = set()
    for _ in range(round(WAIT_S / POLL_S)):
        cameras: list[dict[str, Any]] = (await ground.daemon.ask("GET", "/cameras"))["cameras"]
        settled = [camera for camera in cameras if is_settled(camera)]
        for camera in settled:
            if camera["id"] not in said:
                said.add(camera["id"])
                say(f"{camera['name']} {in_words(camera)}")
        if len(settled) == len(cameras):
            return
        await ground.clock.sleep(POLL_S)


def is_settled(camera: dict[str, Any]) -> bool:
    status = camera["status"]
    if status["state"] == "offline":
        return bool(status["last_error"])
    return bool(status["state"] != "connecting")


def check_of(camera: dict[str, Any]) -> Check:
    state = camera["status"]["state"]
    is_well = state == "recording" or (state == "live" and camera["record"]["mode"] == "off")
    return Check(camera["name"], is_well or state == "disabled", in_words(camera), HINTS.get(state, ""))


def in_words(camera: dict[str, Any]) -> str:
    """``records: H.264 1920x1080, 25 fps``; or why not."""
    status = camera["status"]
    text = WORDS[status["state"]]
    if status["state"] in ("recording", "live") and status["width"]:
        codec = CODECS.get(status["codec"], status["codec"])
        text += f": {codec} {status['width']}x{status['height']}"
        if status["fps"]:
            text += f", {status['fps']:.0f} fps"
    elif status["last_error"] and status["state"] == "offline":
        text += f": {status['last_error']}"
    return text
