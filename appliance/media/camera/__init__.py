"""From a camera's address to packets.

Objective: whatever answers at an address becomes a ``Source``: pictures and sound as the camera
sent them, its parameters, and each failure as a ``SourceFault`` with the ledger's cause.
Invariants: blocking, one thread each; no password in a log, an error or a request that need not
have it; nothing that a camera says makes the box connect anywhere else.
Non-goals: no decoding (G.711, which MP4 does not know, is the exception).
Read next: ``source`` (the interface), ``connect``, ``rtsp``.
"""
