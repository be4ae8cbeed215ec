"""Floor 3: cameras that are not there.

Objective: a real RTSP server that serves drawn scenes and files, and misbehaves on command, so that
the demo, the tests and an installer's training meet the same thing a camera would be.
Invariants: always a process of its own (``python -m appliance.simulator``), which never outlives a
parent that asked for it; one encoder per scene, shared by its clients, and none without a client;
files are passed through bit for bit; every hand-off to a client is bounded.
Non-goals: no UDP, no RTSP 2.0, no recording; not a restreamer for real cameras.
Read next: ``spec`` (what a camera can be asked to be), ``camera`` (source, packets, clients),
``server`` (RTSP), ``misbehaviour``, ``stamp`` (the clock in the picture), ``child`` (how the daemon
starts it; the only modules a daemon may import are ``child`` and ``spec``).
"""
