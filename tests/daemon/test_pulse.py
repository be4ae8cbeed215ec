"""What the box says of itself every 30 s."""

from pathlib import Path
from types import SimpleNamespace

from appliance import __version__
from appliance.base.model import CameraStatus
from appliance.daemon.health import Health
from appliance.daemon.pulse import LONGEST_DETAIL, Pulse


async def test_the_worst_finding_is_the_status_and_says_why(clock, tmp_path: Path) -> None:
    health = Health(clock)
    found = [("clock", "ok", "synchronised"), ("volume", "degraded", "x" * 1_000)]
    health.add(lambda: found)
    statuses = {
        "a": CameraStatus("recording", 0),
        "b": CameraStatus("offline", 0),
        "c": CameraStatus("disabled", 0),
        "d": CameraStatus("live", 0),
    }
    recorder = SimpleNamespace(statuses=lambda: statuses)
    volumes = SimpleNamespace(all=[SimpleNamespace(root=tmp_path), SimpleNamespace(root=tmp_path / "gone")])

    async def version() -> int:
        return 7

    pulse = Pulse(health, recorder, volumes, clock, "boot-1", version)
    clock.tick(90)
    beat = await pulse()
    assert (beat.status, beat.version, beat.boot_id, beat.settings_version) == (
        "degraded", __version__, "boot-1", 7,
    )  # fmt: skip
    assert (beat.cameras_recording, beat.cameras_total, beat.uptime_s) == (1, 3, 90)
    assert beat.box_time == "2026-01-20T14:31:30.000Z"
    assert beat.disk_free_bytes > 0
    assert beat.detail.startswith("volume: xxx")
    assert len(beat.detail) == LONGEST_DETAIL
    found[:] = [("clock", "ok", "synchronised")]
    beat = await pulse()
    assert (beat.status, beat.detail) == ("ok", "")
