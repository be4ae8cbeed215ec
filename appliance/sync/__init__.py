"""Floor 7: the outbox to the cloud, when there is a link.

Objective: every row that is owed arrives at its target at least once, and exactly once in effect, since its
id is its idempotency key (D2); what matters most leaves first; nothing on the box waits for it.
Invariants: one batch and one file in flight per target; a row leaves only when its id was acknowledged
(D3); lanes go strictly in order, and first deliveries inside a lane in the order of the rows; files wait
while rows of the first lanes are on their way; a budget is kept within one per cent, also over a crash; a
target that fails is asked again after 1 s ... 5 min, and after five failures once a minute at most.
Non-goals: what is owed (``alerts.owing``), what is kept (``store.outbox``), who gets what
(``store.policy``).
Read next: ``rows`` (batches), ``uploads`` (files), ``sender`` (both, of one target), ``sync`` (all of them),
``budget``, ``breaker``, ``batch_size``, ``targets`` (the plugin point), ``keeping`` (quotas), ``answer``,
``address`` (which targets are allowed).
"""
