"""Garbage in cycles is looked for seldom: each full look stops the hub, and so every box that waits for it.

2 000 boxes hold 6 000 connections and some millions of objects that live as long as they do; Python's
collector walks all of them whenever enough young ones grew old: 0.3-0.4 s, several times a minute at that
size, which was the whole 99th percentile of an ingest. Young garbage is still looked for at once; what grew
old and then fell into a cycle (little: most goes by its reference count) waits for ``EVERY_S``.
"""

import gc

from appliance.base.clock import Clock

EVERY_S = 900.0
YOUNG, MIDDLE = 10_000, 20  # objects, then rounds, before the next generation is looked at
NEVER = 1_000_000  # rounds


async def collect_seldom(clock: Clock) -> None:
    """Of the whole process, from now on: called by a process that is a hub and nothing else."""
    gc.collect()
    gc.freeze()  # modules and what was made at the start: never garbage
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    while True:
        await clock.sleep(EVERY_S)
        gc.collect()
