"""Floor 6: findings -> events -> alerts.

Objective: what the rules find becomes a stored fact, a decision for people, and news for targets,
in one transaction, within milliseconds, whatever else is broken.
Invariants: a finding is never dropped; the event, its alert, its pin, its journal row and its
outbox rows are committed together (D1); ``cooldown_s`` holds back alerts, never events; no event
waits for its still.
Non-goals: finding (``rules``), delivering (``sync``), pictures (``vision``).
Read next: ``intake`` (the way in), ``record`` (the transaction), ``late`` (what is found
afterwards), ``left_open`` (what the last stop cut off), ``desk`` (what people decide), ``stills``,
``expiry``, ``bell`` (how the screen hears of it at once).
"""
