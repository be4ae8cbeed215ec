"""Packets in, fragments out: to the ring, to live viewers, to whoever taps a stream.

Objective: one thread per stream that nothing but its camera and its disk can hold up (R1, R9).
Invariants: taps never block; a run ends with its connection, its parameters or a step of the clock.
Non-goals: no decoding, no decisions about what is worth keeping.
Read next: ``stream`` (the thread), ``recorder`` (all of them), ``recording`` (a stream's way to disk).
"""
