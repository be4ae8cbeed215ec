"""The child's side: packets in, tracks out, in a process that may crash.

Objective: one process per accelerator that decodes, gates, detects and tracks for all cameras.
Invariants: it has no network, no database and no file to write (``sandbox``) but the devices of the
box's chips (``landlock``); what those refuse is done before (``ahead``); it ends with the daemon;
a camera's pictures are judged in order of time; whatever a stranger's bitstream does is counted.
Non-goals: nothing is decided here; rules and alerts are the daemon's.
Read next: ``worker`` (threads and orders), ``lane`` (one camera), ``past`` (a stretch of it), ``still``.
"""
