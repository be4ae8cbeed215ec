"""Floor 3: packets, fragments, segments, clips.

Objective: every frame a camera sends is in a file exactly once, on stable storage within
``durability_s``, and every second that is not has a cause (R1-R9).
Invariants: one thread per stream, one per volume; no video is decoded here; nothing on the path
from packet to disk waits for the network, the vision worker, a viewer, a database, or a lock that
one of them holds (R9).
Non-goals: no transcoding (G.711 audio is the one exception), no pictures.
Read next: ``fragment`` (what is handed on), ``stream`` (the thread), ``segment`` (the file),
``volume`` (the disk), ``recovery`` (after a crash), ``archive`` (questions about the past).
"""
