"""How a simulator's process hears its parent: lines on stdin, and signals."""

import asyncio
import os
import signal
import threading

from appliance.simulator.control import LineReader


def stop_on_signals(stop: asyncio.Event, *, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if with_parent:  # Ctrl-C reaches the whole group: the parent closes us when it is ready
        loop.add_signal_handler(signal.SIGINT, lambda: None)
    else:
        loop.add_signal_handler(signal.SIGINT, stop.set)


def read_stdin(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[bytes | None]) -> None:
    """Put each line of stdin into ``lines``, and None at its end."""

    # A thread and os.read: stdin may be a file or /dev/null, which a selector cannot watch, and a
    # thread inside sys.stdin's lock would keep the interpreter from ending.
    def put(line: bytes | None) -> None:
        try:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        except RuntimeError:
            pass  # the loop is closed: we are ending anyway

    def read() -> None:
        reader = LineReader(put)
        try:
            while data := os.read(0, 65_536):
                reader.feed(data)
        except OSError:
            pass
        put(None)

    threading.Thread(target=read, name="stdin", daemon=True).start()
