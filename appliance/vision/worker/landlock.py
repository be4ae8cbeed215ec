"""Which files a worker may open for writing: the devices of this box's chips, and no other (landlock(7)).

A chip is driven by opening its device for reading and writing, again for each decoder or model, and a
seccomp filter sees flags, not paths. So where there are such devices, Landlock lets exactly them pass,
for every thread that is started afterwards, and the filter leaves O_RDWR to it. Where there are none, or
no Landlock, nothing is opened for writing at all, and only what was opened before still works.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_WRITE_FILE = 1 << 1
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


def devices(root: Path = Path("/dev")) -> list[Path]:
    """Those of ``DEVICES`` that are here. No device, no opening."""
    return [path for pattern in DEVICES for path in sorted(root.glob(pattern))]


def only_write(paths: Iterable[Path]) -> bool:
    """From now on this thread, and each that it starts, opens none but ``paths`` for writing. What is open
    stays open. False: no Landlock here, and nothing has changed."""
    libc = ctypes.CDLL(None, use_errno=True)
    handled = ctypes.create_string_buffer(struct.pack("<Q", _WRITE_FILE), 8)
    ruleset = libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    try:
        for path in paths:
            try:
                opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue  # a dangling link: then it is no opening either
            try:
                rule = ctypes.create_string_buffer(struct.pack("<Qi", _WRITE_FILE, opened), 12)
                libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
            finally:
                os.close(opened)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return False
        return int(libc.syscall(_RESTRICT_SELF, ruleset, 0)) == 0
    finally:
        os.close(ruleset)
