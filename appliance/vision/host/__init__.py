"""The daemon's side of the vision worker.

Objective: hand packets over without ever waiting, notice within seconds that the worker is stuck or
gone, and start another that goes on where it was.
Invariants: neither numpy nor av nor a backend is imported here; stream threads only touch ``feed``.
Non-goals: nothing is decoded here.
Read next: ``host`` (what the daemon calls), ``session`` (one worker's life), ``feed`` (one camera's),
``sight`` (what nobody looked at), ``past`` (looking at it afterwards), ``engines`` (what a GPU lacks).
"""
