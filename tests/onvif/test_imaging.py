"""The picture's settings."""

from appliance.onvif.imaging import Imaging, imaging, imaging_ranges, set_imaging
from appliance.onvif.tree import read_tree


async def test_settings_and_their_ranges(camera, device) -> None:
    camera.says["GetImagingSettings"] = (
        "<timg:ImagingSettings><tt:Brightness>50</tt:Brightness><tt:ColorSaturation>x</tt:ColorSaturation>"
        "<tt:IrCutFilter>auto</tt:IrCutFilter></timg:ImagingSettings>"
    )
    camera.says["GetOptions"] = (
        "<timg:ImagingOptions><tt:Brightness><tt:Min>0</tt:Min><tt:Max>100</tt:Max></tt:Brightness>"
        "<tt:Contrast><tt:Min>5</tt:Min><tt:Max>5</tt:Max></tt:Contrast></timg:ImagingOptions>"
    )
    assert await imaging(device, "src0") == Imaging(brightness=50.0, ir_cut="AUTO")
    assert await imaging_ranges(device, "src0") == {"brightness": (0.0, 100.0)}


async def test_only_what_is_wanted_is_set_in_the_schema_s_order(camera, device) -> None:
    camera.says["SetImagingSettings"] = ""
    await set_imaging(device, "src0", Imaging(sharpness=2.5, brightness=60, ir_cut="OFF"))
    given = read_tree(camera.text_of("SetImagingSettings").encode()).at("Body/SetImagingSettings")
    assert given.said("VideoSourceToken") == "src0"
    settings = given.at("ImagingSettings")
    assert [(child.name, child.said("")) for child in settings.children] == [
        ("Brightness", "60"), ("IrCutFilter", "OFF"), ("Sharpness", "2.5"),
    ]  # fmt: skip
