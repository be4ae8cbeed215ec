"""Control: what the hub orders, and what this box makes of it.

Objective: an order that the hub signed for this box, that is not old, not known already and of a kind that
the box's admin allows, is applied exactly once and answered through the outbox; any other changes nothing
and is in the audit log.
Invariants: nothing is believed because of where it came from, only because of its signature; an effect in
``appliance.db`` is one transaction with the journal's row, the answer (D1) and the audit log; an effect
elsewhere is begun at most once; settings that cut the box off from its hub undo themselves.
Non-goals: who may order what at the hub (``hub.control``); answers are delivered like any row (``sender``).
Read next: ``order`` (is it one?), ``obeying`` (once), ``trial`` (commit-confirm), ``control`` (the loop).
"""
