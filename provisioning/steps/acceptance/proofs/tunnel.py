"""The link to a hub, where there is one: enrolled, and its tunnel up."""

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from provisioning.ground import Ground
from provisioning.report.document import Figure, Result, State
from provisioning.step import Say
from provisioning.steps.acceptance.proofs import Asked
from provisioning.steps.acceptance.subject import Subject

NAME, TITLE = "tunnel", "Remote link"
FRESH_S = 180.0  # WireGuard shakes hands every two minutes while something is sent


async def run(ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
    at = rfc3339(ground.clock.now_ns())
    try:
        found = (await ground.daemon.ask("GET", "/tunnel"))["tunnel"]
    except ApplianceError as error:
        if error.kind != "not_found":
            raise
        return Result(NAME, TITLE, "not_done", "This version has no remote link.", "", at)
    if not found["is_configured"]:
        text = "No remote link is set up: the box works without one."
        return Result(NAME, TITLE, "not_done", text, "", at)
    age_s = found["handshake_age_s"]
    state: State = "passed" if age_s is not None and age_s < FRESH_S else "failed"
    text = (
        "The tunnel is up."
        if state == "passed"
        else f"The tunnel is not up: {found['detail'] or found['state']}."
    )
    hint = "" if state == "passed" else found["hint"] or "Look at the uplink, then at the hub's address."
    return Result(NAME, TITLE, state, text, hint, at, figures=(Figure("last handshake", age_s, "s ago"),))
