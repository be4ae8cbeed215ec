"""Floor 1: the words everything else is written in.

Objective: types, time, errors, configuration, geometry, bounded buffers and supervision.
Invariants: imports nothing of the project; no I/O but the bootstrap file (``config``); every
time is an ``int`` of nanoseconds UTC from the one injected ``Clock`` (R8).
Non-goals: no SQL, no sockets, no media.
Read next: ``model`` (the nouns), ``clock`` (the box clock), ``supervision`` (how parts run).
"""
