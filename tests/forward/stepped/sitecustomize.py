"""Python runs this first where the folder is on PYTHONPATH: the system clock of one process, which a test
sets by writing seconds into the file ``STEPPED_CLOCK``.

Not libfaketime: 0.9.10 either fakes the monotonic clock too, which no administrator can set, or refuses every
``time.sleep`` of Python 3.11.
"""

import os
import time

_path = os.environ["STEPPED_CLOCK"]
_real_ns = time.time_ns


def _time_ns() -> int:
    with open(_path) as file:
        return _real_ns() + int(file.read() or 0) * 10**9


time.time_ns = _time_ns
time.time = lambda: _time_ns() / 1e9
