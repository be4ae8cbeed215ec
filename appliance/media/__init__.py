"""Floor 3: packets, fragments, segments, clips.

Objective: every frame a camera sends is in a file exactly once, on stable storage within
``durability_s``, and every second that is not has a cause (R1-R9).
Invariants: one thread per stream, one per volume; no video is decoded here; nothing on the path
from packet to disk waits for the network, the vision worker, a viewer, a database, or a lock that
one of them holds (R9).
Non-goals: no transcoding (G.711 audio is the one exception), no pictures.
Rooms, imports go down only: ``check | play | record > ring | camera > mp4``; ``fragment`` and ``span``
are what they hand on.
Read next: ``fragment``, then ``record`` (the thread), ``ring`` (the disk), ``play`` (the past).
"""
