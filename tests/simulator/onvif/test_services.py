"""What is set is what is told from then on, and what is streamed; the proof of a password, by maker."""

import subprocess

import pytest

from appliance.simulator.onvif.makers import BY_KEY


def by_maker(fleet) -> dict:
    return {camera.maker: camera for camera in fleet.cameras}


def encoder(name: str, token: str, codec: str, gop: int, *, v2: bool) -> str:
    spoken = f'GovLength="{gop}"' if v2 else ""
    rest = "" if v2 else f"<tt:H264><tt:GovLength>{gop}</tt:GovLength></tt:H264>"
    return (
        f'<{name} token="{token}" {spoken}><tt:Encoding>{codec}</tt:Encoding><tt:Resolution>'
        f"<tt:Width>320</tt:Width><tt:Height>180</tt:Height></tt:Resolution>{rest}</{name}>"
    )


@pytest.mark.parametrize("media", [pytest.param("trt", marks=pytest.mark.long), "tr2"])
def test_an_encoder_that_is_set_streams_so(start_fleet, ask, media):
    fleet = start_fleet(2, faults={2: "h265-sub"})
    camera, token = fleet.cameras[1], BY_KEY["dahua"].encoders[1]
    assert (
        ask(fleet, camera, "tr2:GetProfiles", "<tr2:Type>All</tr2:Type>").all("tt:Encoding")[1].text == "H265"
    )
    body = encoder(f"{media}:Configuration", token, "H264", 7, v2=media == "tr2")
    assert ask(fleet, camera, f"{media}:SetVideoEncoderConfiguration", body).status == 200
    now = fleet.order(camera.name, "status")["encoders"]["sub"]
    assert (now["codec"], now["gop"], now["width"]) == ("h264", 7, 320)
    if media == "tr2":
        assert [key for key, _ in frames(camera.sub, fleet)][:8] == [True, *[False] * 6, True]


def frames(url: str, fleet) -> list[tuple[bool, str]]:
    url = url.replace("rtsp://", f"rtsp://{fleet.user}:{fleet.password}@")
    command = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-analyzeduration", "400000"]
    command += ["-show_entries", "packet=flags", "-of", "csv=p=0", "-read_intervals", "%+#8", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [("K" in line, line) for line in said.split()]


def test_what_an_encoder_cannot_do_is_refused(start_fleet, ask):
    fleet = start_fleet(1, faults={1: "h265-only"})
    camera, token = fleet.cameras[0], BY_KEY["hikvision"].encoders[1]
    for body in (
        encoder("tr2:Configuration", token, "H264", 10, v2=True),
        encoder("tr2:Configuration", token, "H265", 0, v2=True),
        encoder("tr2:Configuration", "nobody", "H265", 10, v2=True),
    ):
        refused = ask(fleet, camera, "tr2:SetVideoEncoderConfiguration", body)
        assert refused.status == 400 and refused.text("s:Reason/s:Text")
    assert fleet.order(camera.name, "status")["encoders"]["sub"]["codec"] == "h265"
    options = ask(fleet, camera, "tr2:GetVideoEncoderConfigurationOptions")
    assert [found.text for found in options.all("tt:Encoding")] == ["H265"]


def test_clock_and_ntp(start_fleet, ask):
    fleet = start_fleet(1, faults={1: "clock-1970"})
    camera = fleet.cameras[0]

    def ahead_s() -> float:
        return fleet.order(camera.name, "status")["clock_ahead_s"]

    early = ahead_s()
    assert early < -1e9
    # its maker looks at the time of a token: without the camera's own clock there is no way in
    assert ask(fleet, camera, "tds:GetNTP", by="token").status == 401
    assert ask(fleet, camera, "tds:GetNTP", by="token", ahead_s=early).status == 200
    manual = "<tds:DateTimeType>{}</tds:DateTimeType>{}"
    utc = "<tds:UTCDateTime><tt:Time><tt:Hour>10</tt:Hour><tt:Minute>0</tt:Minute>"
    utc += "<tt:Second>0</tt:Second></tt:Time>"
    utc += (
        "<tt:Date><tt:Year>2031</tt:Year><tt:Month>2</tt:Month><tt:Day>3</tt:Day></tt:Date></tds:UTCDateTime>"
    )
    assert ask(fleet, camera, "tds:SetSystemDateAndTime", manual.format("Manual", utc)).status == 200
    told = ask(fleet, camera, "tds:GetSystemDateAndTime", by="nothing")
    assert (told.text("tt:UTCDateTime/tt:Date/tt:Year"), told.text("tt:DateTimeType")) == ("2031", "Manual")
    assert ask(fleet, camera, "tds:SetSystemDateAndTime", manual.format("NTP", "")).status == 400
    server = (
        "<tds:NTPManual><tt:Type>IPv4</tt:Type><tt:IPv4Address>127.0.0.9</tt:IPv4Address></tds:NTPManual>"
    )
    assert ask(fleet, camera, "tds:SetNTP", server).status == 200
    assert ask(fleet, camera, "tds:SetSystemDateAndTime", manual.format("NTP", "")).status == 200
    assert ask(fleet, camera, "tds:GetNTP").text("tt:IPv4Address") == "127.0.0.9"
    assert ahead_s() == 0


def test_which_proof_each_maker_takes(six_cameras, ask):
    fleet = six_cameras
    cameras = by_maker(fleet)
    took = {
        maker: [
            ask(fleet, camera, "tds:GetScopes", by=by).status == 200 for by in ("token", "digest", "nothing")
        ]
        for maker, camera in cameras.items()
    }
    both, only_token, only_digest = [True, True, False], [True, False, False], [False, True, False]
    assert took == dict.fromkeys(cameras, both) | {"tapo": only_token, "axis": only_digest}
    assert ask(fleet, cameras["tapo"], "tds:GetServices", by="nothing").status == 400
    assert ask(fleet, cameras["dahua"], "tds:GetServices", by="nothing").status == 200
    assert ask(fleet, cameras["dahua"], "tds:GetScopes", by="token", password="other").status == 401
    # a token is good for once
    first = ask(fleet, cameras["dahua"], "tds:GetScopes", by="token", nonce=b"the same twice")
    second = ask(fleet, cameras["dahua"], "tds:GetScopes", by="token", nonce=b"the same twice")
    assert (first.status, second.status) == (200, 401)


def test_a_pull_point_tells_what_was_and_what_happens(six_cameras, ask):
    fleet = six_cameras
    camera = fleet.cameras[0]
    made = ask(fleet, camera, "tev:CreatePullPointSubscription")
    url = made.text("wsa:Address")
    pull = "<tev:Timeout>PT{}S</tev:Timeout><tev:MessageLimit>10</tev:MessageLimit>"
    first = ask(fleet, camera, "tev:PullMessages", pull.format(1), url=url).all("tt:Message")
    assert {found.get("PropertyOperation") for found in first} == {"Initialized"} and len(first) == 3
    fleet.order(camera.name, "tamper", "on")
    fleet.order(camera.name, "tamper", "off")
    told = ask(fleet, camera, "tev:PullMessages", pull.format(10), url=url)
    assert told.text("wsnt:Topic") == "tns1:RuleEngine/TamperDetector/Tamper"
    items = [(item.get("Name"), item.get("Value")) for item in told.all("tt:Data/tt:SimpleItem")]
    assert items == [("IsTamper", "true"), ("IsTamper", "false")]
    assert ask(fleet, camera, "wsnt:Unsubscribe", url=url).status == 200
    assert ask(fleet, camera, "tev:PullMessages", pull.format(0), url=url).status == 400


def test_relays_presets_stills_and_the_night(six_cameras, ask, get):
    fleet = six_cameras
    cameras = by_maker(fleet)
    relay = (
        "<tmd:RelayOutputToken>RelayOutput_1</tmd:RelayOutputToken><tmd:LogicalState>{}</tmd:LogicalState>"
    )
    assert ask(fleet, cameras["hikvision"], "tmd:SetRelayOutputState", relay.format("active")).status == 200
    assert fleet.order("cam01", "status")["relays"] == [True]
    profile = f"<tptz:ProfileToken>{BY_KEY['reolink'].profiles[0]}</tptz:ProfileToken>"
    turning = cameras["reolink"]
    assert len(ask(fleet, turning, "tptz:GetPresets", profile).all("tptz:Preset")) == 3
    there = profile + "<tptz:PresetToken>3</tptz:PresetToken>"
    assert ask(fleet, turning, "tptz:GotoPreset", there).status == 200
    assert fleet.order(turning.name, "status")["position"] == [0.5, -0.2, 0.5]
    still = get(cameras["uniview"].snapshot, fleet.user, fleet.password)
    assert still.raw[:2] == b"\xff\xd8"
    fleet.order(cameras["uniview"].name, "night", "on")
    assert get(cameras["uniview"].snapshot, fleet.user, fleet.password).raw != still.raw
    fleet.order(cameras["uniview"].name, "night", "off")
    assert get(cameras["uniview"].snapshot, fleet.user, "other").status == 401
