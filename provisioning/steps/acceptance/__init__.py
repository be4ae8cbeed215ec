"""The last step: the box proves that it works, and a customer signs what it measured.

    one tap ─► proofs, one after another ─► results ─┐
    walk test, power cut (somebody takes part) ──────┴─► report.json + report.pdf ─► signature

Objective: figures instead of a promise, for each camera, disk and channel; to be had again at any time, and
compared with the first.
Invariants: recording goes on while it is tested; what could not be tested is in the report, in words; killed
at any point (a power cut is one of the tests), the results that were there are there.
Non-goals: nothing is mended here; the steps before do that.
Read next: ``step`` (the step), ``proofs`` (each test), ``provisioning.report`` (the paper).
"""

from provisioning.steps.acceptance.step import Acceptance

__all__ = ["Acceptance"]
