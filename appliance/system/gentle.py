"""Work that may take its time: behind everything else, for processor and disks."""

import os

import psutil

NICE = 15
LAST_IN_QUEUE = 7  # best effort, last of its class: idle would wait for ever on a disk that always records


def be_gentle() -> None:
    """For this process and what it starts; there is no way back."""
    os.nice(NICE)
    psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, LAST_IN_QUEUE)
