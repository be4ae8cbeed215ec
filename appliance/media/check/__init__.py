"""``appliance check``: do files, rows and ledger agree, and can what does not be mended?

Objective: every promise of the ring (R1-R4) tested from the outside, on a box that stands still.
Invariants: finds without changing anything; ``repair`` changes only what it names.
Non-goals: the databases' own integrity, which SQLite checks.
Read next: ``check``, then ``files`` and ``ledger``.
"""
