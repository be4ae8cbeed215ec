"""The two WebSockets: live pictures, and what happens as it happens.

Invariants: a viewer who reads slowly is cut off, and neither the recording nor another viewer waits for one;
whoever comes back says the last id that was seen, and misses nothing.
Read next: ``sockets``, ``ws_live``, ``ws_events``, ``feed``.
"""
