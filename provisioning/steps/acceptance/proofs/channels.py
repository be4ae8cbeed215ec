"""An alert to each person: every channel is sent a test, and says whether it was delivered."""

from typing import Any

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from provisioning.ground import Ground
from provisioning.report.document import Line, Result
from provisioning.step import Say
from provisioning.steps.acceptance.proofs import Asked
from provisioning.steps.acceptance.subject import Subject

NAME, TITLE = "channels", "Alerts"
NONE_SET = "No channel is set: an alert shows, and rings, on the box's own pages only."


async def run(ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
    at = rfc3339(ground.clock.now_ns())
    if not asked.channels:
        text = "Not tested, as was asked."
        return Result(NAME, TITLE, "not_done", text, "Test the channels when somebody may be rung.", at)
    try:
        channels = (await ground.daemon.ask("GET", "/channels"))["channels"]
    except ApplianceError as error:
        if error.kind != "not_found":
            raise
        channels = []  # a version that tells nobody but its own pages
    enabled = [channel for channel in channels if channel.get("enabled", True)]
    if not enabled:
        return Result(
            NAME, TITLE, "not_done", NONE_SET, "Set one in the step People, if anybody is to be told.", at
        )
    lines = []
    for channel in enabled:
        say(f"Sending a test to {channel['name']}")
        lines.append(await _test(ground, channel))
    failed = [line for line in lines if line.state != "passed"]
    text = f"{len(lines) - len(failed)} of {len(lines)} channels took a test."
    hint = f"{failed[0].name}: mend it in the step People." if failed else ""
    return Result(NAME, TITLE, "failed" if failed else "passed", text, hint, at, lines=tuple(lines))


async def _test(ground: Ground, channel: dict[str, Any]) -> Line:
    id_, name = str(channel["id"]), str(channel["name"])
    try:
        found = (await ground.daemon.ask("POST", f"/channels/{id_}/test", {}))["test"]
    except ApplianceError as error:
        return Line(id_, name, "failed", str(error))
    if not found["ok"]:
        return Line(id_, name, "failed", " ".join(part for part in (found["detail"], found["hint"]) if part))
    return Line(id_, name, "passed", f"a test was delivered ({channel['kind']}): {found['detail']}")
