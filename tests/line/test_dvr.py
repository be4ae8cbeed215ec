"""A DVR that wants the login in its path: eight cameras in one go, recorded with what is stored encrypted."""

import re
from urllib.parse import quote

import pytest

from appliance.base.clock import BoxClock
from appliance.base.model import Credentials
from appliance.onvif.makers import candidates
from appliance.simulator.server import Server
from appliance.simulator.spec import parse_spec

SECRET = Credentials("orange", "p@ss/9 &x")
LOGIN = "user={}&password={}".format(*(quote(text, safe="") for text in (SECRET.username, SECRET.password)))
URL = re.compile(
    rf"rtsps?://[^/]*/{re.escape(LOGIN)}&channel=(\d)&stream=([01])\.sdp\??/?(?:trackID=(\d))?", re.IGNORECASE
)


class Dvr(Server):
    """Knows its channels by such addresses alone, and asks for no other proof."""

    def find(self, url: str):
        match = URL.fullmatch(url)
        return (self._cameras.get(f"{match[1]}-{match[2]}"), match[3]) if match else (None, None)


@pytest.fixture
async def dvr():
    made = Dvr(BoxClock())
    made.port = await made.listen("127.0.0.1", 0)
    for channel in range(1, 9):
        for stream, size in enumerate(("320x180", "160x96")):
            await made.add(parse_spec(f"{channel}-{stream}?size={size}&fps=5"))
    yield made
    await made.close()


@pytest.mark.long
async def test_eight_channels_are_eight_cameras(box, dvr) -> None:
    await box.start()
    for one in candidates("CP PLUS ORANGE DVR", f"127.0.0.1:{dvr.port}", SECRET):
        await box.add_camera(
            f"Channel {one.channel}",
            one.main_url,
            sub_url=one.sub_url,
            username=SECRET.username,
            password=SECRET.password,
        )
    typed = f"rtsp://127.0.0.1:{dvr.port}/{LOGIN}&channel=1&stream=0.sdp?"
    await box.add_camera("typed", typed)
    for name in (*(f"channel-{number}" for number in range(1, 9)), "typed"):
        await box.in_state(name, "recording", 20)
    shown = (await box.get("/cameras/typed"))["camera"]
    assert shown["rtsp_url"].endswith("/user=&password=&channel=1&stream=0.sdp?")
    assert shown["username"] == SECRET.username
    await box.stop()
    for name in ("channel-1", "channel-8"):
        assert box.segments(name, "main") and box.segments(name, "sub")
    secrets = [text.encode() for text in (SECRET.password, quote(SECRET.password, safe=""))]
    files = [path for path in box.data.rglob("*") if path.is_file() and path.suffix != ".mp4"]
    assert not [path for path in (*files, box.log) if any(each in path.read_bytes() for each in secrets)]
