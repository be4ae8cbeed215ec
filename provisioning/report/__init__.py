"""The paper at the end: what was measured, in figures and pictures, sealed with the box's own key.

    results ─► Report ─► canonical JSON ─┬─► report.json  (signed; names the SHA-256 of the PDF)
                                         └─► report.pdf   (ends in a seal over every byte before it)

Objective: a customer signs what the box measured, and anybody can tell later whether a byte was changed.
Invariants: what is signed is the very text that is kept; a report that the customer signed is never written
again; each later one says how it differs from the first.
Non-goals: no judgement beyond what a proof says of itself; no certificate authority: the box's key is known
by its fingerprint, which the box shows.
Read next: ``document`` (what a report says), ``seal`` (how it is signed), ``kept`` (where it lies).
"""
