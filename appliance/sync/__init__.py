"""Floor 7: the outbox to the cloud, when there is a link.

Objective: every row that is owed arrives at its target at least once, and exactly once in effect,
since its id is its idempotency key (D2); nothing on the box waits for it.
Invariants: one batch in flight per target; a row leaves only when its id was acknowledged (D3);
first deliveries keep the order of the rows; a target that fails is asked again after 1 s ... 5 min.
Non-goals: what is owed (``alerts``), what is kept (``store.outbox``).
Read next: ``sender`` (one target), ``sync`` (all of them), ``answer`` (what a target may say),
``address`` (which targets are allowed).
"""
