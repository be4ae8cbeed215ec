"""Which files a worker may open (landlock(7)): to read, its own program and models, and nothing of what
the box records or keeps; to write, the devices of this box's chips, and no other.

A chip is driven by opening its device for reading and writing, again for each decoder or model, and a
seccomp filter sees flags, not paths. So where there are such devices, Landlock lets exactly them pass,
for every thread that is started afterwards, and the filter leaves O_RDWR to it. Where there are none, or
no Landlock, nothing is opened for writing at all, and only what was opened before still works. Without
Landlock all that the account may read can be read; it still leaves by no socket.
"""

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
# Of /dev, as shells match them. Not dri/card*: who has that may set the screens.
DEVICES: Final = (
    "nvidia*",  # NVIDIA's driver: nvidiactl, nvidia0, nvidia-uvm; on some a folder, with all in it
    "nvhost*",  # a Jetson's GPU and its engines for video ...
    "nvmap",  # ... their memory
    "nvgpu",  # ... and a folder of newer ones
    "host1x-fence",
    "v4l2-nv*",
    "dri/renderD*",  # VA-API, Quick Sync and OpenCL on Intel's and AMD's GPUs
    "accel/accel*",  # an Intel NPU
)

SYSTEM: Final = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/proc", "/sys", "/dev",
                 "/run/nvidia-persistenced", "/run/opengl-driver")  # fmt: skip


def devices(root: Path = Path("/dev")) -> list[Path]:
    """Those of ``DEVICES`` that are here. No device, no opening."""
    return [path for pattern in DEVICES for path in sorted(root.glob(pattern))]


def own_files() -> list[Path]:
    """What a worker reads of the machine: its program and libraries, drivers, what the kernel tells. Not the
    box's data, its recordings or its keys; nobody's home; not /etc/aries."""
    etc = [path for path in Path("/etc").iterdir() if path.name != "aries"] if Path("/etc").is_dir() else []
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    program = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path, *libraries]
    return [*map(Path, SYSTEM), *etc, *(Path(path) for path in program if path.startswith("/"))]


def enclose(read: Iterable[Path], write: Iterable[Path]) -> bool:
    """From now on this thread, and each that it starts, opens nothing but what is at or below ``read``, and
    for writing nothing but ``write``. What is open stays open. It also traces nobody outside, nor reads
    their memory. False: no Landlock here, and nothing has changed."""
    libc = ctypes.CDLL(None, use_errno=True)
    handled = ctypes.create_string_buffer(struct.pack("<Q", _WRITE_FILE | _READ_FILE | _READ_DIR), 8)
    ruleset = libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    try:
        for path in read:
            _allow(libc, ruleset, path, _READ_FILE | _READ_DIR)
        for path in write:
            _allow(libc, ruleset, path, _READ_FILE | _READ_DIR | _WRITE_FILE)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return False
        return int(libc.syscall(_RESTRICT_SELF, ruleset, 0)) == 0
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not on this machine, or a dangling link: then it is no opening either
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= ~_READ_DIR  # of a file there is no such right
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, opened), 12)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(opened)
