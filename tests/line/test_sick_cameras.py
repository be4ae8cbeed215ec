"""Cameras that go away, fall asleep, change: the right state at once, the right cause, and back by itself."""

import asyncio
import time

import pytest

SMALL = "size=320x180&fps=10&gop=10"
SOON_S = 5.0  # from the fault to the state that tells of it
BACK_S = 10.0  # from the cure to the next picture in the ring


class Patient:
    """One camera, watched through HTTP and ``/ws/events``."""

    def __init__(self, box, order, events, tools, name: str) -> None:
        self.box, self.order, self.events, self.tools, self.name = box, order, events, tools, name
        self.since = 0.0

    async def falls_ill(self, do: str, value=None) -> None:
        self.since, self._heard = time.time(), len(self.events.heard)
        await self.order(self.name, do, value)

    async def told(self, state: str, within_s: float = SOON_S, **more) -> dict:
        """On the screen's socket, from the order on; and the same in ``/cameras``."""

        def is_state(message) -> bool:
            data = message["data"]
            if message["type"] != "camera" or data["camera_id"] != self.name:
                return False
            status = data["status"]
            return status["state"] == state and all(status[key] == value for key, value in more.items())

        try:
            heard, message = await self.events.wait(is_state, within_s + 5, self._heard)
        except AssertionError as error:
            raise AssertionError(f"{self.name}: no {state}: {await self.box.status(self.name)}") from error
        assert heard - self.since <= within_s, f"{self.name}: {state} after {heard - self.since:.1f} s"
        assert (await self.box.status(self.name))["state"] == state
        return message["data"]["status"]

    async def is_cured(self, do: str = "heal", **more) -> dict:
        """By itself, once the camera is well again."""
        await self.falls_ill(do)
        return await self.told("recording", BACK_S, **more)

    async def gaps(self, since: float) -> list[tuple[str, float]]:
        """(cause, seconds) of the gaps that end after ``since``."""
        return [
            (span["cause"], self.tools.seconds(span["end"]) - self.tools.seconds(span["start"]))
            for span in await self.box.spans(self.name)
            if span["state"] == "gap" and self.tools.seconds(span["end"]) > since
        ]

    async def has_gap(self, cause: str) -> None:
        async def look():
            return cause in [found for found, _ in await self.gaps(self.since)]

        last = self.since
        await self.tools.until(look, SOON_S, f"{self.name}: no gap for {cause}")
        self.since = last


async def unplugged(cam: Patient) -> None:
    await cam.falls_ill("refuse")
    began = cam.since
    await cam.told("offline")
    await cam.has_gap("camera_offline")
    assert "refused" in (await cam.box.status(cam.name))["last_error"]
    await cam.is_cured()
    assert [cause for cause, _ in await cam.gaps(began)] == ["camera_offline"]


async def stalled(cam: Patient) -> None:
    await cam.falls_ill("stall")
    began = cam.since
    await cam.told("offline")
    await cam.is_cured()
    assert [cause for cause, _ in await cam.gaps(began)] == ["no_video"]


async def asleep(cam: Patient) -> None:
    await cam.falls_ill("asleep")
    began = cam.since
    await cam.told("offline")
    await cam.tools.until(
        lambda: time.time() > began + 10, 15
    )  # one connect in vain: then the cause is known
    await cam.has_gap("camera_offline")
    await cam.is_cured()
    assert [cause for cause, _ in await cam.gaps(began)] == ["camera_offline"]


async def locked_out(cam: Patient) -> None:
    await cam.falls_ill("password", "another-one")
    began = cam.since
    assert "password" in (await cam.told("auth_failed"))["last_error"]
    await cam.has_gap("auth_failed")
    await cam.is_cured()
    assert [cause for cause, _ in await cam.gaps(began)] == ["auth_failed"]
    # ... and the other way: a person enters the new password
    await cam.falls_ill("password", "another-one")
    await cam.told("auth_failed")
    camera = (await cam.box.get(f"/cameras/{cam.name}"))["camera"]
    put = await cam.box.call("PUT", f"/cameras/{cam.name}", camera | {"password": "another-one"})
    assert put.status == 200 and b"another-one" not in put.body
    cam.since = time.time()
    await cam.told("recording")


async def resized(cam: Patient) -> None:
    await cam.falls_ill("size", "480x270")
    began = cam.since
    await cam.tools.until(lambda: _is(cam, width=480, height=270, state="recording"), SOON_S)
    assert sum(long_s for _, long_s in await cam.gaps(began)) <= 0.5
    await _one_clip_per_part(cam, began)


async def recoded(cam: Patient) -> None:
    await cam.falls_ill("codec", "h265")
    began = cam.since
    await cam.tools.until(lambda: _is(cam, codec="hevc", state="recording"), SOON_S)
    assert {cause for cause, _ in await cam.gaps(began)} <= {"no_video", "camera_offline"}
    await _one_clip_per_part(cam, began)


async def recoded_behind_our_back(cam: Patient) -> None:
    await cam.falls_ill("codec_abrupt", "h265")
    began = cam.since
    await cam.tools.until(lambda: _is(cam, codec="hevc", state="recording"), SOON_S + 2)
    assert {cause for cause, _ in await cam.gaps(began)} == {"no_video"}


async def cut_off(cam: Patient) -> None:
    await cam.falls_ill("reset")
    began = cam.since
    await cam.told("recording")
    ((cause, long_s),) = await cam.gaps(began)
    assert cause == "no_video" and long_s < SOON_S


async def _is(cam: Patient, **wanted) -> bool:
    status = await cam.box.status(cam.name)
    return all(status[key] == value for key, value in wanted.items())


async def _one_clip_per_part(cam: Patient, began: float) -> None:
    async def ask():
        interval = {"start_time": cam.tools.iso(began - 1), "end_time": cam.tools.iso(time.time())}
        found = await cam.box.call("GET", f"/cameras/{cam.name}/clip.mp4", **interval)
        return found if found.status != 200 else None

    refused = await cam.tools.until(ask, SOON_S, "a clip over a change of parameters")
    error = refused.json["error"]
    assert (refused.status, error["kind"]) == (409, "conflict")
    split = cam.tools.seconds(error["hint"].split()[-1])
    assert began - 1 < split < time.time()
    parts = [(began - 1, split), (split, time.time())]
    for start, end in parts:
        interval = {"start_time": cam.tools.iso(start), "end_time": cam.tools.iso(end)}
        part = await cam.box.call("GET", f"/cameras/{cam.name}/clip.mp4", **interval)
        assert part.status == 200, part.body


CAMERAS = {
    "unplugged": (unplugged, "&port=0"),
    "stalled": (stalled, ""),
    "asleep": (asleep, ""),
    "locked-out": (locked_out, "&user=admin&password=the-first-one"),
    "resized": (resized, ""),
    "recoded": (recoded, ""),
    "recoded-abruptly": (recoded_behind_our_back, ""),
    "cut-off": (cut_off, ""),
}


KINDS = {
    "avc-b-mu-law": "codec=h264&bframes=2&audio=pcmu",
    "hevc-b-aac": "codec=h265&bframes=2&audio=aac",
    "hevc-a-law": "codec=h265&audio=pcma",
    "avc": "codec=h264",
}


async def test_sick_cameras_beside_healthy_ones(box, scene, order, tools, tmp_path):
    """Every ill has its state and its cause, and costs its neighbours nothing: they become clips."""
    urls = {name: await scene(f"{name}?{SMALL}{more}") for name, (_, more) in CAMERAS.items()}
    urls |= {name: await scene(f"{name}?{SMALL}&{spec}") for name, spec in KINDS.items()}
    await box.start("--detector", "motion")
    known = {"locked-out": {"username": "admin", "password": "the-first-one"}}
    for name, url in urls.items():
        assert await box.add_camera(name, url, **known.get(name, {})) == name
    for name in urls:
        await box.in_state(name, "recording", 10)
    events = await box.events()
    cases = [case(Patient(box, order, events, tools, name)) for name, (case, _) in CAMERAS.items()]
    cases += [is_a_clip(box, tools, tmp_path / f"{name}.mp4", name, spec) for name, spec in KINDS.items()]
    found = await asyncio.gather(*cases, return_exceptions=True)
    failed = {name: error for name, error in zip([*CAMERAS, *KINDS], found, strict=True) if error is not None}
    assert not failed, "\n".join(f"{name}: {str(error)[:600]}" for name, error in failed.items())
    assert (await box.stop())[0] == 0
    assert box.check().returncode == 0
    log = box.log.read_text()
    assert "the-first-one" not in log and "another-one" not in log


async def is_a_clip(box, tools, path, name: str, spec: str) -> None:
    async def long_enough():
        found = [span for span in await box.spans(name) if span["state"] == "recorded"]
        long_s = tools.seconds(found[-1]["end"]) - tools.seconds(found[0]["start"]) if found else 0
        return found if long_s > 3.5 else None

    (span,) = await tools.until(long_enough, 15)
    start, end = tools.seconds(span["start"]) + 1.2, tools.seconds(span["start"]) + 3.2
    interval = {"start_time": tools.iso(start), "end_time": tools.iso(end)}
    clip = await box.call("GET", f"/cameras/{name}/clip.mp4", **interval)
    assert clip.status == 200 and clip.headers["X-Clip-Complete"] == "1", clip.headers
    begins = tools.seconds(clip.headers["X-Clip-Start"])
    assert 0 <= start - begins <= 1.1
    path.write_bytes(clip.body)
    assert await asyncio.to_thread(tools.complaints, path) == ""
    streams = {found["codec_type"]: found for found in await asyncio.to_thread(tools.probed, path)}
    video = streams["video"]
    assert video["codec_name"] == ("hevc" if "h265" in spec else "h264")
    assert int(video["nb_read_frames"]) == pytest.approx((end - begins) * 10, abs=3)
    assert ("audio" in streams) == ("audio" in spec)
    if "audio" in spec:
        assert streams["audio"]["codec_name"] == "aac"
        assert float(streams["audio"]["duration"]) == pytest.approx(float(video["duration"]), abs=0.6)
