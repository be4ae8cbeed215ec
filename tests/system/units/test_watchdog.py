"""The real systemd and the real unit: whom the watchdog ends, and whom it leaves alone."""

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.daemon.liveness import STUCK_S

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
WATCHDOG_S = 15  # WatchdogSec= of the unit
LONGER_S = STUCK_S + WATCHDOG_S + 10


@contextlib.contextmanager
def held(pid: int, call: str) -> Iterator[None]:
    """From now on each ``call`` of the process takes ten minutes: its thread is stuck, and not in a disk."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    delay = ["-e", f"trace={call}", "-e", f"inject={call}:delay_enter=600s"]
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none", *delay, "-p", str(pid)],
        stderr=subprocess.PIPE,
    )
    try:
        yield
    finally:
        tracer.kill()
        tracer.wait()
        tracer.stderr.close()


@pytest.mark.parametrize(("call", "where"), [("writev", "segment.py"), ("fdatasync", "volume.py")])
def test_a_recording_that_is_stuck_is_restarted(guest, box, call, where):
    """Of the stream's thread; of the volume's thread."""
    guest.install()
    guest.boot()
    box.start()
    assert guest.shows("appliance", "WatchdogUSec")["WatchdogUSec"] == f"{WATCHDOG_S}s"
    with held(guest.pid_outside("appliance"), call):
        began = time.monotonic()
        guest.until(lambda: guest.check("recording")[0] == "failing", 30, "it says that it is stuck")
        guest.until(
            lambda: "Watchdog timeout" in guest.journal("-u", "appliance"), 60, "the watchdog ends it"
        )
    # Only now: the dead stay with their tracer until it has gone, too.
    guest.until(lambda: box.restarts == 1, 30, "it is started again")
    took_s = time.monotonic() - began
    box.goes_on_recording()
    guest.until(lambda: guest.shows("appliance", "ActiveState")["ActiveState"] == "active", 60, "it is ready")
    assert box.restarts == 1
    said = guest.journal("-u", "appliance")
    assert "recording is stuck" in said and "Watchdog timeout" in said
    assert "Fatal Python error: Aborted" in said and where in said  # where every thread stood
    print(f"stuck in {call}: restarted after {took_s:.1f} s")
    guest.ask("systemctl", "stop", "appliance")
    assert guest.as_aries("appliance", "check", "--data", "/var/lib/aries")


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_camera_that_is_unplugged_is_no_reason(guest, box, how):
    """SIGSTOP: the cable is out, nothing answers any more. SIGKILL: somebody answers that there is none."""
    guest.install()
    guest.boot()
    box.start()
    guest.ask("systemctl", "kill", f"--signal={how.name}", "gate")
    guest.until(lambda: "offline" in guest.check("cameras")[1], 30, "the camera is offline")
    time.sleep(LONGER_S)
    assert guest.check("recording") == ("ok", "nothing holds it up")
    assert box.restarts == 0
    if how == signal.SIGSTOP:
        guest.ask("systemctl", "kill", "--signal=SIGCONT", "gate")
        guest.until(lambda: guest.check("cameras")[0] == "ok", 90, "the camera is back")
        box.goes_on_recording()
    assert box.restarts == 0
    assert "watchdog" not in guest.journal("-u", "appliance").lower()


@pytest.fixture
def disk(guest, tmp_path) -> Iterator[Path]:
    """A file system of its own, which the guest has at /mnt/disk."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(64_000_000)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True).returncode:
        pytest.skip("mounting a loop device is refused here")
    guest.bind(folder, "/mnt/disk", writable=True)
    yield folder
    subprocess.run(["fsfreeze", "-u", str(folder)], capture_output=True, check=False)
    guest.stop()
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_does_not_answer_is_a_state_and_no_loop_of_restarts(guest, box, disk):
    guest.install()
    more = "[Service]\nReadWritePaths=/mnt/disk\n"
    guest.write("/etc/systemd/system/appliance.service.d/disk.conf", more)
    guest.boot()
    guest.ask("chown", "aries:aries", "/mnt/disk")
    box.start(VOLUMES="/mnt/disk/recordings")
    subprocess.run(["fsfreeze", "-f", str(disk)], check=True)
    guest.until(lambda: "does not answer" in guest.check("recording")[1], 40, "it says what is wrong")
    time.sleep(LONGER_S)
    assert guest.check("cameras") == ("degraded", "1 of 1 cameras have a picture; 1 not recorded")
    assert guest.check("recording")[0] == "failing"
    assert box.restarts == 0
    subprocess.run(["fsfreeze", "-u", str(disk)], check=True)
    box.goes_on_recording()
    guest.until(lambda: guest.check("recording")[0] == "ok", 20, "it is well again")
    assert box.restarts == 0
    guest.ask("systemctl", "stop", "appliance")
    assert guest.as_aries("appliance", "check", "--data", "/var/lib/aries")


SLOW = """#!/opt/aries/bin/python -B
import sys, time
from appliance.media.ring import recovery
real = recovery.recover
def slow(*words):
    time.sleep(25)
    return real(*words)
recovery.recover = slow
from appliance.cli import main
sys.exit(main())
"""


def test_a_recovery_that_takes_longer_than_a_start_may_is_not_begun_anew(guest, box):
    """As after a power cut on a slow disk with hours of footage."""
    guest.install()
    guest.write("/opt/aries/bin/slow", SLOW, 0o755)
    start = "ExecStart=\nExecStart=/opt/aries/bin/slow run --data /var/lib/aries\nTimeoutStartSec=12\n"
    guest.write("/etc/systemd/system/appliance.service.d/slow.conf", f"[Service]\n{start}")
    guest.boot()
    box.start()
    assert box.restarts == 0
    assert guest.shows("appliance", "ActiveState")["ActiveState"] == "active"
    assert "timed out" not in guest.journal("-u", "appliance")
