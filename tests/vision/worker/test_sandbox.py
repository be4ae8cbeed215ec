"""What the children may not do, tried in a child; and what the daemon must not import."""

import json
import subprocess
import sys

import psutil
import pytest

TRY = """
import json, os, socket, subprocess, sys
from appliance.vision.worker.sandbox import confine
confined = confine()
def refused(attempt):
    try:
        attempt()
    except PermissionError:
        return True
    except OSError as error:
        return error.strerror
    return False
path = sys.argv[1]
print(json.dumps({
    "confined": confined,
    "socket": refused(lambda: socket.socket(socket.AF_INET)),
    "unix": refused(lambda: socket.socket(socket.AF_UNIX)),
    "write": refused(lambda: open(path + "/new", "w")),
    "append": refused(lambda: open(path + "/old", "a")),
    "unlink": refused(lambda: os.unlink(path + "/old")),
    "rename": refused(lambda: os.rename(path + "/old", path + "/other")),
    "program": refused(lambda: os.execv("/bin/true", ["true"])),
    "read": open(path + "/old").read(),
}))
"""


def test_no_network_no_files_no_programs(tmp_path):
    (tmp_path / "old").write_text("still readable")
    out = subprocess.run(
        [sys.executable, "-c", TRY, str(tmp_path)], capture_output=True, text=True, check=True
    )
    said = json.loads(out.stdout)
    if not said["confined"]:
        pytest.skip("no seccomp on this kernel or machine")
    assert said.pop("read") == "still readable"
    assert said == dict.fromkeys(said, True)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_the_daemons_side_stays_lean():
    code = (
        "import sys, appliance.vision.host.host\n"
        "print([m for m in ('numpy', 'av', 'onnxruntime') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


DAEMON = """
import asyncio, sys
from pathlib import Path
from appliance.base.clock import BoxClock
from appliance.base.model import Camera
from appliance.vision.host.host import VisionHost

async def main():
    host = VisionHost(BoxClock(), Path(sys.argv[1]), "motion")
    await host.apply([Camera("yard", "yard", "rtsp://x/1")])
    task = asyncio.ensure_future(host.run())
    while host.state().state != "running":
        await asyncio.sleep(0.02)
    print(host.worker_pid, flush=True)
    await task

asyncio.run(main())
"""


def test_the_worker_never_outlives_a_killed_daemon(tmp_path):
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    worker = psutil.Process(int(daemon.stdout.readline()))
    worker.suspend()  # not even one that cannot hear that its socket closed
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()
    gone, _ = psutil.wait_procs([worker], timeout=5)
    assert gone or worker.status() == psutil.STATUS_ZOMBIE
