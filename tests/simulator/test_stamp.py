import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.simulator import stamp as stamp_module
from appliance.simulator.encoder import Encoder
from appliance.simulator.scene import Scene
from appliance.simulator.spec import parse_spec
from appliance.simulator.stamp import Stamp, draw_stamp, read_stamp

NOW_MS = 1_768_919_400_123


def _blank(width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.full((height, width), 90, np.uint8),
        np.full((height // 2, width // 2), 90, np.uint8),
        np.full((height // 2, width // 2), 90, np.uint8),
    )


@given(
    time_ms=st.integers(0, 2**44 - 1),
    counter=st.integers(0, 0xFFFF),
    width=st.sampled_from([160, 320, 322, 640, 854, 1280, 1920, 3840]),
)
def test_what_is_drawn_is_read(time_ms: int, counter: int, width: int) -> None:
    y, u, v = _blank(width, width // 16 * 9 // 2 * 2)
    draw_stamp(y, u, v, Stamp(time_ms, counter))
    assert read_stamp(y) == Stamp(time_ms, counter)
    assert read_stamp(np.repeat(y[:, :, None], 3, axis=2)) == Stamp(time_ms, counter)


def test_no_stamp_no_answer() -> None:
    y, u, v = _blank(640, 360)
    assert read_stamp(y) is None
    draw_stamp(y, u, v, Stamp(NOW_MS, 7))
    y[4:12, 50:60] = 251 - y[4:12, 50:60]  # one block turned over: the checksum sees it
    assert read_stamp(y) is None


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("size", ["640x360", "1280x720"])
def test_survives_a_low_bit_rate_and_half_the_size(codec: str, size: str) -> None:
    spec = parse_spec(f"x?codec={codec}&size={size}&bitrate=250&gop=30")
    scene, encoder = Scene(spec.width, spec.height, 1), Encoder(spec)
    decoder = av.CodecContext.create("h264" if codec == "h264" else "hevc", "r")
    decoder.thread_count = 1
    read = []
    for number in range(45):
        y, u, v = encoder.planes
        scene.draw(y, u, v, number / 15)
        draw_stamp(y, u, v, Stamp(NOW_MS + number * 67, number))
        for sample in encoder.encode(number * 66_666_667, number == 0):
            for frame in decoder.decode(av.Packet(b"".join(b"\0\0\0\1" + unit for unit in sample.units))):
                whole = frame.to_ndarray(format="gray")
                half = frame.reformat(spec.width // 2, spec.height // 2, format="rgb24").to_ndarray()
                assert read_stamp(whole) == read_stamp(half)
                read.append(read_stamp(whole))
    assert len(read) >= 44
    assert read == [Stamp(NOW_MS + number * 67, number) for number in range(len(read))]


@pytest.mark.browser
def test_a_browser_reads_the_same() -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("needs /usr/bin/chromium")
    y, u, v = _blank(640, 360)
    draw_stamp(y, u, v, Stamp(NOW_MS, 54_321))
    rgb = av.VideoFrame.from_ndarray(np.repeat(y[:, :, None], 3, axis=2), "rgb24")
    png = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "640x360", "-i", "-",
         "-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "-"],
        input=rgb.to_ndarray().tobytes(), capture_output=True, check=True,
    ).stdout  # fmt: skip
    source = Path(stamp_module.__file__).with_suffix(".js").read_text().replace("export ", "")
    script = (
        "async bytes => {" + source + """
        const image = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: "image/png"}));
        const read = (width, height) => {
          const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
          context.drawImage(image, 0, 0, width, height);
          return readStamp(context, width, height);
        };
        const empty = new OffscreenCanvas(640, 360).getContext("2d");
        return [read(640, 360), read(320, 180), readStamp(empty, 640, 360)];
        }"""
    )  # fmt: skip
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--no-first-run"]
        )
        found = browser.new_page().evaluate(script, list(png))
        browser.close()
    assert found == [{"timeMs": NOW_MS, "counter": 54_321}] * 2 + [None]
