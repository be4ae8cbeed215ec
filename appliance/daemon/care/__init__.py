"""A box kept for years: backup, moving to new hardware, help from afar, forgetting whose it was.

Objective: what commands and the page Care do, so that a box can be saved, replaced, looked at and given away.
Invariants: nothing that opens the box leaves it in the clear; a backup has its name only when it is whole;
a reset that was cut short is finished at the next start, and wants somebody at the box; none of it
holds up the loop or recording.
Non-goals: no footage in a backup, no updates (``system.update``).
Read next: ``care`` (beside a running box), ``backing_up``, ``moving``, ``resetting``, ``reset_by_stick``,
``support``.
"""
