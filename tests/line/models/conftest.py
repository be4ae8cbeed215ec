"""A yard that is looked at and a door beside it that is recorded, on a whole box, with packs of a test's."""

import os
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def dark(tmp_path_factory) -> Path:
    """Something bright that walks through a dark yard, for ever: 320x180, 10 fps."""
    path = tmp_path_factory.mktemp("film") / "dark.mp4"
    random = np.random.default_rng(2)
    with av.open(str(path), "w") as out:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": "10", "crf": "24"}
        stream = out.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(100):
            picture = random.integers(60, 64, (180, 320, 3), np.uint8)
            left = number * 9 % 280
            picture[60:120, left : left + 40] = (230, 220, 40)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


class Yard:
    """A box that looks at a dark yard and records a door beside it."""

    def __init__(self, box, tools, yard: str, door: str) -> None:
        self.box, self.tools, self.yard, self.door = box, tools, yard, door

    def rss_bytes(self) -> int:
        """The daemon's."""
        fields = Path(f"/proc/{self.box.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    async def activate(self, name: str, shadow_s: float = 0.0) -> tuple[str, str, float]:
        """(phase, reason, seconds) of its end."""
        began = time.monotonic()
        body = {"backend": "onnxruntime", "shadow_s": shadow_s}
        found = await self.box.call("POST", f"/models/{name}/activate", body)
        assert found.status == 200, found

        async def over():
            activation = (await self.box.get("/models"))["activation"]
            return activation if activation["phase"] in ("refused", "rolled_back", "active") else None

        activation = await self.tools.until(over, 60, f"{name} never came to an end")
        return activation["phase"], activation["reason"], time.monotonic() - began

    async def looks_with(self, name: str, timeout_s: float) -> dict:
        """Its pictures are looked at by that detector, now."""

        async def look():
            found = await self.box.detector()
            if (found["state"], found["detector"]) != ("running", name):
                return None
            return found if found["cameras"][0]["looks_per_s"] > 0.5 else None

        return await self.tools.until(look, timeout_s, f"{name} does not look")

    async def recorded_all(self) -> int:
        """Not a frame is missing, of either camera; how many frames the door's are."""
        for camera_id in (self.yard, self.door):
            spans = await self.box.spans(camera_id)
            spans = spans[1:] if spans[0]["state"] == "gap" else spans  # until the first key frame came
            assert {span["state"] for span in spans} == {"recorded"}, spans
        assert (await self.box.stop())[0] == 0
        runs = self.box.numbers(self.door)
        for run in runs:
            assert run == list(range(run[0], run[0] + len(run)))
        assert len(runs) == 1
        return len(runs[0])


@pytest.fixture
def start(box, scene, tools, dark, put_pack, tmp_path):
    """``await start("good", ...)``: with the first of these packs chosen, and all of them installed but
    those with a wrong hash, which come back as what the command said."""

    async def begin(
        *kinds: str, backend: str = "onnxruntime", **variables: str
    ) -> tuple[Yard, dict[str, str]]:
        said = {}
        for kind in kinds:
            put_pack(tmp_path / "usb", kind)
            done = command("models", "install", "--data", str(box.data), str(tmp_path / "usb" / kind))
            assert "Traceback" not in done.stderr
            if done.returncode:
                said[kind] = done.stderr
        choose = ("models", "activate", "--data", str(box.data), kinds[0], "--backend", backend)
        assert command(*choose).returncode == 0
        await box.start(**variables)
        yard = await box.add_camera(
            "Yard", await scene(f"yard?file={dark}"), detect={"enabled": True, "fps": 5}
        )
        door = await box.add_camera("Door", await scene("door?fps=10&size=320x180&gop=20&sei=1"))
        return Yard(box, tools, yard, door), said

    return begin
