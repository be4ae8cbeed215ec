"""What leaves the box, as people see and set it: targets, deliveries, the hub and the tunnel.

Objective: an installer connects this box and sees why something is held up, with the next step.
Invariants: a secret goes in and never comes out; what was refused is listed, sent again or given up by a
person's own act, and owed = acknowledged + waiting + in flight + parked + tombstoned holds through all of it.
Non-goals: nothing is sent from here (``sync``).
Read next: ``targets``, ``deliveries``, ``hub_link``.
"""
