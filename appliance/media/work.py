"""What a thread that moves bytes is at, for whoever asks whether it is stuck (``daemon.liveness``)."""

from typing import NamedTuple


class Work(NamedTuple):
    """``since_ns`` (monotonic): when it began the turn that it is in, or got the first video that has not
    reached a file since; 0: it waits for others (a camera, the next tick), which may last as long as it
    likes. ``native_id``: the kernel's number of the thread; None before it runs."""

    name: str
    alive: bool
    native_id: int | None
    since_ns: int
