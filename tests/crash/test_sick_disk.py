"""Disks that fail, hang, fill up, vanish: every second without video has its cause, and recording
goes on by itself when the disk is well again."""

import itertools

import pytest

CAMERAS = 4


def span_of(bench, cause: str, camera: str = "cam0"):
    return [gap for gap in bench.gaps(camera) if gap.cause == cause]


@pytest.mark.long  # in one process: tests/media/ring/test_volume.py
def test_a_failed_sync_is_a_gap_and_recording_goes_on(bench, film, strace):
    inject = ["-e", "inject=fdatasync:error=EIO:when=30"]
    box = bench.start(film, CAMERAS, 9, "--segment", "2", before=[*strace, *inject])
    box.recording(CAMERAS)
    assert box.finish() == 0, box.errors
    assert bench.check() == []
    hit = [gap for number in range(CAMERAS) for gap in span_of(bench, "disk_error", f"cam{number}")]
    assert hit, "the injected fault is in no ledger"
    assert all(gap.end_ns is not None and gap.end_ns - gap.start_ns < 4e9 for gap in hit)
    box = bench.start(film, CAMERAS, 0.5)
    box.recording(CAMERAS)
    box.finish()
    assert bench.check() == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(26, 42, 2))
def test_the_nth_sync_fails_or_kills(bench, film, strace, number):
    for fault in (f"error=EIO:when={number}+40", f"signal=SIGKILL:when={number}"):
        before = [*strace, "-e", f"inject=fdatasync:{fault}"]
        box = bench.start(film, CAMERAS, 10, "--segment", "1", before=before)
        box.finish()
        assert bench.check() == [], f"{fault}: {box.errors}"
    box = bench.start(film, CAMERAS, 2)
    box.recording(CAMERAS)
    box.finish()
    assert bench.check() == []


@pytest.mark.parametrize(
    "delay_ms", [150, pytest.param(500, marks=pytest.mark.long)], ids=lambda delay_ms: f"{delay_ms} ms"
)
def test_a_slow_disk_costs_no_frame(bench, film, strace, delay_ms):
    before = [*strace, "-e", f"inject=fdatasync:delay_enter={delay_ms * 1000}"]
    box = bench.start(film, 3, 3, "--segment", "1", before=before)
    box.recording(3)
    assert box.finish() == 0, box.errors
    assert bench.lost_s(box) == 0
    assert bench.check() == []
    for frames in box.received().values():
        times = [mono_ns for _, mono_ns in frames]
        late = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert max(late) < 0.5e9, "a stream waited for the disk"


def test_a_full_disk_is_a_gap_until_retention_makes_room(bench, fat_film, tmpfs):
    bench.volume = tmpfs(6)
    more = ("--volume", str(bench.volume), "--segment", "1", "--retention", "4.5")
    box = bench.start(fat_film, 3, 9, *more)
    box.wait_for(lambda line: "full" in (line.get("error") or ""))
    box.wait_for(lambda line: line.get("state") == "recording", start=len(box.said))
    full = len(box.said)
    assert box.finish() == 0, box.errors
    assert bench.check() == []
    assert any("frame" in line for line in box.said[full:])
    for camera in ("cam0", "cam1", "cam2"):
        assert any(gap.cause == "expired" for gap in bench.gaps(camera))
    gaps = [gap for camera in ("cam0", "cam1", "cam2") for gap in span_of(bench, "disk_full", camera)]
    assert gaps and all(gap.end_ns is not None for gap in gaps)


@pytest.mark.long
def test_retention_keeps_a_small_disk_from_ever_being_full(bench, fat_film, tmpfs):
    bench.volume = tmpfs(24)
    more = ("--volume", str(bench.volume), "--segment", "1", "--retention", "0")
    box = bench.start(fat_film, 2, 14, *more)
    box.recording(2)
    assert box.finish() == 0, box.errors
    assert bench.check() == []
    assert span_of(bench, "expired") and not span_of(bench, "disk_full")


def test_a_missing_disk_gets_nothing_written_in_its_place(bench, film, tmp_path):
    box = bench.start(film, 2, 60, "--segment", "1")
    box.recording(2)
    box.run_for(1.5)
    away = tmp_path / "unplugged"
    bench.volume.rename(away)
    bench.volume.mkdir()  # the empty mount point
    box.wait_for(lambda line: "not mounted" in (line.get("error") or ""), start=len(box.said))
    box.run_for(1.5)
    assert list(bench.volume.iterdir()) == []
    bench.volume.rmdir()
    away.rename(bench.volume)
    box.wait_for(lambda line: line.get("state") == "recording", start=len(box.said))
    box.run_for(2.5)
    box.kill()
    assert bench.check() == []
    box = bench.start(film, 2, 0.5)
    box.recording(2)
    box.finish()
    assert bench.check() == []
    missing = span_of(bench, "disk_missing")
    assert len(missing) == 1 and missing[0].end_ns is not None


def test_a_disk_that_takes_no_writes_is_a_disk_error(bench, film, strace):
    fail = ["-e", "trace=writev", "-e", "inject=writev:error=EROFS:when=30..33"]
    box = bench.start(film, 2, 6, "--segment", "1", before=[*strace, *fail])
    box.wait_for(lambda line: "does not take writes" in (line.get("error") or ""))
    box.wait_for(lambda line: line.get("state") == "recording", start=len(box.said))
    assert box.finish() == 0, box.errors
    assert bench.check() == []
    errors = span_of(bench, "disk_error")
    assert errors and all(gap.end_ns is not None for gap in errors)
