"""Which threads of the worker go first. On Linux niceness and policy are each thread's own (sched(7))."""

import os

NICE = 5  # the process: recording comes first
DECODING_NICE = 12  # so much that a model's run keeps its core, and still a sixth of a core that all want
PAST_NICE = 15  # behind both


def decode_behind_the_model() -> None:
    """For the calling thread. A thread that wakes for each packet would push the model's off its core each
    time, although the other core is free: measured, that cost 2.4 ms of a run of 16. As SCHED_BATCH it does
    not push anybody when it wakes."""
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, DECODING_NICE)
    except OSError:
        pass  # then it is as eager as the others


def look_back_last() -> None:
    """For the calling thread: the past has time."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, PAST_NICE)
    except OSError:
        pass  # then it is as eager as the others, and still waits its turn
