"""Floor 5: tracks -> findings. Pure: no clock, no database, no network.

Objective: say what happened (somebody entered, left, crossed) once for each time it happened, from
nothing but the track points, so that the same points give the same findings live and replayed.
Invariants: one finding per real crossing, however the box jitters at the border; what already
stood in a zone before a restart, a redrawn zone or a new track number does not enter again; every
``began`` of a visit is followed by at most one ``ended`` with the same ``key``.
Non-goals: severity, cooldown, stills, storage (``alerts``); making tracks (``vision``).
Read next: ``finding`` (what comes out), ``engine`` (the state), ``visits`` and ``crossings`` (the
geometry), ``kinds`` (the closed set), one file per kind, ``validate``.
"""
