"""Starting the children: ``python -m appliance.vision.…`` with as little of the daemon as possible."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

# What a child may know of our environment: no APPLIANCE_*, no NOTIFY_SOCKET, no tokens.
_PASSED = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH", "PYTHONHOME", "SYSTEMROOT", "VIRTUAL_ENV")
_PASSED_BEGINNINGS = ("LC_", "CUDA_", "NVIDIA_")
_ROOT = Path(__file__).resolve().parents[2]  # where ``appliance`` is imported from
# Ctrl-C goes to the terminal's whole process group, and is for the daemon alone: it ends us in order.
OF_ITS_OWN = 0


ENGINES = "ARIES_ENGINES"  # where the worker reads TensorRT's engines; ``detectors.tensorrt.detector``


def environment(engines: Path | None = None) -> dict[str, str]:
    """``engines``: the folder of built engines, for who runs them."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED or name.startswith(_PASSED_BEGINNINGS)
    }
    kept["PYTHONPATH"] = str(_ROOT)
    kept["PYTHONDONTWRITEBYTECODE"] = "1"
    kept["ARIES_PARENT"] = str(os.getpid())
    # One thread per library: the worker's own threads are the parallelism, and they are counted.
    kept |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    if engines is not None:
        kept[ENGINES] = str(engines)
    return kept


async def start_worker(control_fd: int, engines: Path | None = None) -> Process:
    """Its standard error is ours: one line per failure, in the daemon's journal."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "appliance.vision.worker",
        str(control_fd),
        stdin=DEVNULL,
        stdout=DEVNULL,
        pass_fds=(control_fd,),
        env=environment(engines),
        process_group=OF_ITS_OWN,
    )


def resident_bytes(pid: int) -> int:
    """What a process has of the memory now; 0: it is gone, or not known here (proc(5), statm)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def most_bytes() -> int:
    """What a worker may take of the memory: half of it, the rest is for recording and its page cache."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def how_it_ended(status: int | None) -> str:
    """For people. ``status``: as of ``Process.returncode``; None: it still runs."""
    if status is None:
        return "the vision worker closed its socket"
    if status == -signal.SIGKILL:
        return "the vision worker was killed from outside: if nobody did, the box ran out of memory"
    if status < 0:
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-status, f"signal {-status}")
        return f"the vision worker crashed ({name}) in a driver, a decoder or a model's runtime"
    return f"the vision worker ended by itself (status {status}): the log above says why"


def kill(process: Process) -> None:
    """SIGKILL. Not by ``Process.kill``: that polls first, takes the exit status from asyncio's own
    watcher and leaves it guessing (CPython's subprocess.Popen.send_signal)."""
    if process.returncode is None:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended by itself


async def start_still() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "appliance.vision.worker.still",
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=environment(),
        process_group=OF_ITS_OWN,
    )
