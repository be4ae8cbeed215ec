"""Presets and moves."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.onvif.ptz import Preset, go_to, move, presets, remove_preset, save_preset, stop
from appliance.onvif.streams import Profile
from appliance.onvif.tree import read_tree

PROFILE = Profile("p1", "main", "src0", "e1", "h264", 1920, 1080, 25.0, 0, 50, False, True)


async def test_presets(camera, device) -> None:
    camera.says["GetPresets"] = (
        '<tptz:Preset token="1"><tt:Name>Gate</tt:Name></tptz:Preset><tptz:Preset token="2"/><tptz:Preset/>'
    )
    assert await presets(device, PROFILE) == (Preset("1", "Gate"), Preset("2", "2"))
    camera.says |= {
        "GotoPreset": "",
        "RemovePreset": "",
        "SetPreset": "<tptz:PresetToken>3</tptz:PresetToken>",
    }
    await go_to(device, PROFILE, "2")
    assert "<tptz:PresetToken>2</tptz:PresetToken>" in camera.text_of("GotoPreset")
    assert await save_preset(device, PROFILE, "Door <1>") == "3"
    assert "<tptz:PresetName>Door &lt;1&gt;</tptz:PresetName>" in camera.text_of("SetPreset")
    await remove_preset(device, PROFILE, "3")
    assert camera.paths[-1] == "/onvif/ver20/ptz"


async def test_a_move_ends_by_itself(camera, device) -> None:
    camera.says |= {"ContinuousMove": "", "Stop": ""}
    await move(device, PROFILE, pan=-0.5, tilt=1, zoom=0, for_s=0.4)
    asked = read_tree(camera.text_of("ContinuousMove").encode()).at("Body/ContinuousMove")
    assert asked.at("Velocity/PanTilt").attributes == {"x": "-0.5", "y": "1"}
    assert asked.at("Velocity/Zoom").attributes == {"x": "0"}
    assert (asked.said("Timeout"), asked.said("ProfileToken")) == ("PT0.4S", "p1")
    await stop(device, PROFILE)
    assert camera.questions[-1] == "Stop"


@pytest.mark.parametrize(
    "figures", [(1.1, 0, 0, 1), (0, -2, 0, 1), (0, 0, 0, 0), (0, 0, 0, 11), (float("nan"), 0, 0, 1)]
)
async def test_what_is_no_move_is_not_sent(camera, device, figures) -> None:
    pan, tilt, zoom, for_s = figures
    with pytest.raises(ApplianceError):
        await move(device, PROFILE, pan=pan, tilt=tilt, zoom=zoom, for_s=for_s)
    assert camera.asked == []
