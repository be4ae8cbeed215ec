"""Where to look: which frames are worth a detector's time, and whose turn it is.

Objective: spend a small chip where something happens, evenly over the cameras.
Invariants: numpy only; no clock of its own (frames carry their times); nothing here knows a model.
Non-goals: finding things (``detectors``), following them (``tracking``).
Read next: ``gate`` (does anything move), ``schedule`` (grid, looks, turns).
"""
