"""Another model on a running worker: nobody is without a look for longer than a second."""

import asyncio
import itertools
import os
import signal

import msgspec
import pytest

from appliance.vision.packs import installed
from appliance.vision.packs.placing import file_entry, write_pack

LONGEST_NS = 1_000_000_000


def longest_gap_ns(heard, camera_id, since_ns):
    """Video time between two looks that showed something; in these films something always moves."""
    times = sorted({p.time_ns for p in heard.points if p.camera_id == camera_id and p.time_ns >= since_ns})
    return max(b - a for a, b in itertools.pairwise(times))


def phases(heard):
    found = [activation.phase for activation in heard.activations]
    return [phase for n, phase in enumerate(found) if n == 0 or found[n - 1] != phase]


async def test_a_change_leaves_no_second_without_a_look(running, play, scene):
    async with running("yard", "door") as (host, heard):
        for camera_id in ("yard", "door"):
            play(scene(), host.tap(camera_id), camera_id)
        await heard.until(lambda: {p.camera_id for p in heard.points} == {"yard", "door"}, 10)
        since_ns, pid = heard.points[-1].time_ns, host.worker_pid
        await host.use("motion", shadow_s=1.0)
        await heard.until(lambda: phases(heard)[-1:] == ["trial"], 10)
        points = len(heard.points)
        await heard.until(lambda: len(heard.points) > points + 10, 10)
        assert phases(heard) == ["loading", "shadow", "trial"]
        assert heard.activations[-1].agreement == 1.0 and heard.activations[-1].pictures > 3
        assert host.worker_pid == pid and host.state().restarts == 0
        for camera_id in ("yard", "door"):
            assert longest_gap_ns(heard, camera_id, since_ns) <= LONGEST_NS
        started = [p.track_id for p in heard.points if p.phase == "start"]
        assert len(set(started)) == len(started)


async def test_what_cannot_be_loaded_changes_nothing(running, play, scene):
    async with running("yard") as (host, heard):
        play(scene(), host.tap("yard"))
        await heard.until(lambda: heard.points, 10)
        await host.use("no-such-pack", shadow_s=1.0)
        await heard.until(lambda: phases(heard)[-1:] == ["refused"], 10)
        assert "no-such-pack" in host.activation().reason
        points = len(heard.points)
        await heard.until(lambda: len(heard.points) > points + 3, 10)
        assert host.state().state == "running" and host.state().detector == "motion"


async def test_a_worker_that_dies_with_it_starts_again_with_the_one_before(running, play, scene):
    async with running("yard") as (host, heard):
        play(scene(), host.tap("yard"))
        await heard.until(lambda: heard.points, 10)
        await host.use("motion", shadow_s=60.0)
        await heard.until(lambda: phases(heard)[-1:] == ["shadow"], 10)
        os.kill(host.worker_pid, signal.SIGKILL)
        await heard.until(lambda: phases(heard)[-1:] == ["rolled_back"], 10)
        points = len(heard.points)
        await heard.until(lambda: len(heard.points) > points + 3, 10)


@pytest.mark.long
async def test_real_models_under_load(running, play, footage, assets, tmp_path):
    """Activated, shadowed, switched, refused and rolled back, while four cameras want more than there is."""
    names = tuple(f"c{number}" for number in range(4))
    async with running(*names, choice="deimv2-femto", fps=10.0, asset_dirs=(assets,)) as (host, heard):
        await heard.until(lambda: host.state().state == "running", 20)
        if host.state().detector != "deimv2-femto":
            pytest.skip(host.state().reason)
        for name in names:
            play(footage, host.tap(name), name, speed=2.0)
        await heard.until(lambda: {p.camera_id for p in heard.points} == set(names), 60)
        quiet = await idle_beats(heard, host, "yolox-nano", "active", shadow_s=10.0)
        assert quiet <= 1 and host.state().detector == "yolox-nano"
        cut_short(assets, tmp_path / "models")
        assert await idle_beats(heard, host, "yolox-nano-cut", "refused", shadow_s=5.0) <= 1
        assert "m.onnx is not a whole model (install yolox-nano-cut again)" in host.activation().reason
        assert host.state().detector == "yolox-nano" and host.state().restarts == 0


def cut_short(assets, models_dir):
    """A pack whose model is torn, and whose hash is that of the torn file: only the backend can tell."""
    whole, _ = installed.choose("yolox-nano", [assets])
    torn = models_dir / "m.onnx"
    models_dir.mkdir(parents=True, exist_ok=True)
    torn.write_bytes((assets / "models" / "yolox_nano_416.onnx").read_bytes()[:1_000_000])
    pack = msgspec.structs.replace(whole, name="yolox-nano-cut", files=(file_entry(torn),), folder="")
    write_pack(pack, {"m.onnx": torn}, models_dir / pack.name)
    torn.unlink()


async def idle_beats(heard, host, name, until_phase, shadow_s):
    """How many beats of half a second in a row brought no look, from the order to ``until_phase``."""
    began = len(heard.beats)
    await host.use(name, shadow_s=shadow_s)
    await heard.until(lambda: phases(heard)[-1:] == [until_phase], 90)
    longest = run = 0
    for beat in heard.beats[began:]:
        run = 0 if beat.inference_ms else run + 1
        longest = max(longest, run)
    await asyncio.sleep(0)
    return longest
