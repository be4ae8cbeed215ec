"""Relay outputs."""

import pytest

from appliance.onvif.relays import Relay, relays, seconds, set_relay

ONE = (
    '<tds:RelayOutputs token="{}"><tt:Properties><tt:Mode>{}</tt:Mode><tt:DelayTime>{}</tt:DelayTime>'
    "<tt:IdleState>{}</tt:IdleState></tt:Properties></tds:RelayOutputs>"
)


async def test_relays_and_how_long_they_hold(camera, device) -> None:
    both = ONE.format("r1", "Bistable", "PT0S", "open") + ONE.format("r2", "Monostable", "PT1M0.5S", "closed")
    camera.says["GetRelayOutputs"] = both + "<tds:RelayOutputs/>"
    assert await relays(device) == (Relay("r1", None, False), Relay("r2", 60.5, True))


@pytest.mark.parametrize(("active", "word"), [(True, "active"), (False, "inactive")])
async def test_a_relay_is_switched(camera, device, active: bool, word: str) -> None:
    camera.says["SetRelayOutputState"] = ""
    await set_relay(device, "r1", active=active)
    asked = camera.text_of("SetRelayOutputState")
    assert f"<tds:LogicalState>{word}</tds:LogicalState>" in asked and ">r1<" in asked


@pytest.mark.parametrize(
    ("text", "seconds_"),
    [("PT5S", 5.0), ("P1DT2H", 93600.0), ("PT0.25S", 0.25), ("P", None), ("5", None), ("", None)],
)
def test_durations(text: str, seconds_: float | None) -> None:
    assert seconds(text) == seconds_
