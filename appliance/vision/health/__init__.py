"""Does the model see on each camera as well as it used to?

Objective: notice a dirty lens, a lost focus, a moved camera or a bad model by its falling scores, and
say nothing where only the scene is another one.
Invariants: pure: rows in, verdicts out; a camera is compared with nothing but itself, under the same
model, stream and lowest confidence; few boxes never alarm.
Non-goals: storing (``store.model_health``), alarming (``daemon.models.health``), judging accuracy: a
score is the model's own opinion, and no truth.
Read next: ``judge`` (rows -> verdict), ``tally`` (beats -> rows).
"""
