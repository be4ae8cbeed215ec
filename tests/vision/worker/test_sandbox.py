"""What the children may not do, tried in a child; and what the daemon must not import."""

import ctypes
import json
import socket
import subprocess
import sys

import psutil
import pytest

from appliance.vision.messages import Hello, pack

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


THREAD = """
import socket, threading
from appliance.vision.worker.sandbox import confine
go, said = threading.Event(), []
def work():
    go.wait()
    try:
        socket.socket()
    except PermissionError:
        said.append("refused")
thread = threading.Thread(target=work)
thread.start()
confined = confine()
go.set()
thread.join()
print(confined, said)
"""


def test_a_thread_that_a_library_started_before_is_confined_too():
    out = subprocess.run([sys.executable, "-c", THREAD], capture_output=True, text=True, check=True)
    if out.stdout.startswith("False"):
        pytest.skip("no seccomp on this kernel or machine")
    assert out.stdout == "True ['refused']\n"


CHIP = """
import json, os, sys, threading
from pathlib import Path
from appliance.vision.worker.landlock import devices, enclose, own_files
from appliance.vision.worker.sandbox import confine
root = Path(sys.argv[1])
chips = devices(root / "dev")
held = enclose([*own_files(), root / "models"], chips)
confined = confine(devices=held and bool(chips))
def may(path, flags):
    try:
        os.close(os.open(root / path, flags))
        return True
    except PermissionError:
        return False
def late():
    said["late"] = may("database", os.O_RDWR)
R, W, RW = os.O_RDONLY, os.O_WRONLY, os.O_RDWR
said = {
    "held": held, "confined": confined,
    "chip": may("dev/nvidia0", RW), "video": may("dev/dri/renderD128", RW),
    "screen": may("dev/dri/card0", RW), "database": may("database", RW), "read": may("database", R),
    "model": may("models/model.onnx", R), "spoil": may("models/model.onnx", RW), "list": may(".", R),
    "daemon": may(f"/proc/{os.getppid()}/mem", R), "own": may("/proc/self/environ", R),
    "only write": may("dev/nvidia0", W), "cut": may("dev/nvidia0", RW | os.O_TRUNC),
    "make": may("dev/nvidia1", RW | os.O_CREAT), "nameless": may("dev", RW | os.O_TMPFILE),
}
thread = threading.Thread(target=late)
thread.start()
thread.join()
print(json.dumps(said))
"""


def opened(root, *names):
    """What a confined child may open, with files for the devices ``names``."""
    (root / "dev" / "dri").mkdir(parents=True)
    for name in (*names, "dri/card0"):
        (root / "dev" / name).touch()
    (root / "database").touch()
    (root / "models").mkdir()
    (root / "models" / "model.onnx").touch()
    out = subprocess.run([sys.executable, "-c", CHIP, str(root)], capture_output=True, text=True, check=True)
    said = json.loads(out.stdout)
    if not said.pop("confined"):
        pytest.skip("no seccomp on this kernel or machine")
    return said, {name for name, may in said.items() if may}


def test_the_devices_of_chips_are_opened_late_and_nothing_else(tmp_path):
    said, may = opened(tmp_path, "nvidia0", "dri/renderD128")
    if not said["held"]:
        pytest.skip("no Landlock on this kernel")
    assert may == {"held", "chip", "video", "model", "own"}


def test_without_a_chip_nothing_is_opened_for_writing_and_only_models_are_read(tmp_path):
    said, may = opened(tmp_path)
    if not said["held"]:
        pytest.skip("no Landlock on this kernel")
    assert may == {"held", "model", "own"}


INSIDE = """
import json, os, socket, sys
from pathlib import Path
from appliance.vision.detectors.motion import MotionDetector
from appliance.vision.worker import worker
data, said = Path(sys.argv.pop(2)), {}
def attempt(name, deed):
    try:
        deed()
        said[name] = "done"
    except PermissionError:
        said[name] = "refused"
real = MotionDetector.load
def load(self, pack, threads):
    address = ("127.0.0.1", 9)
    attempt("socket", lambda: socket.socket().connect(address))
    attempt("datagram", lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", address))
    attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect("/run/systemd/notify"))
    attempt("write", lambda: (data / "new").write_text("x"))
    attempt("read a key", lambda: (data / "secrets" / "box.key").read_bytes())
    attempt("read a recording", lambda: (data / "recordings" / "a.mp4").read_bytes())
    attempt("list", lambda: os.listdir(data))
    attempt("program", lambda: os.execv("/bin/true", ["true"]))
    attempt("read a model", lambda: (data / "models" / "model.onnx").read_bytes())
    sys.stderr.write(json.dumps(said) + "\\n")
    sys.stderr.flush()
    return real(self, pack, threads)
MotionDetector.load = load
worker.main()
"""


def test_the_worker_itself_has_no_network_and_a_file_system_of_its_own(tmp_path):
    """The real worker, told by a real order what to look with, which then tries what an attacker would."""
    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:  # landlock_create_ruleset: which version
        pytest.skip("no Landlock on this kernel")
    for name in ("secrets/box.key", "recordings/a.mp4", "models/model.onnx"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = subprocess.Popen(
            [sys.executable, "-c", INSIDE, str(theirs.fileno()), str(tmp_path)],
            pass_fds=(theirs.fileno(),),
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        ours.sendall(pack(Hello("e", "motion", (str(tmp_path / "models"),), 1, decoder="software")))
        heard = next((line for line in child.stderr if line.startswith("{")), "{}")
        ours.close()
        child.wait(10)
        child.stderr.close()
    said = json.loads(heard)
    assert said.pop("read a model") == "done"
    assert said == dict.fromkeys(said, "refused") and len(said) == 8


def test_the_worker_loads_no_database_and_no_loop():
    """V3; and each of them costs megabytes."""
    code = (
        "import sys, appliance.vision.worker.worker\n"
        "print(sorted({'sqlite3', 'asyncio', 'ssl', 'onnxruntime', 'openvino', 'gi'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


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
