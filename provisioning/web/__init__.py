"""The wizard's pages and their JSON: HTTPS on one port, and nothing on it without a claim.

Objective: what a step knows and does, on a telephone; every page is a template and one script.
Invariants: but for the claim page, its scripts and ``POST /api/claim`` nothing answers to a stranger; a write
carries the token of its session; what an answer holds is never kept by a cache.
Non-goals: no logic of a step: that is in ``steps``; no second way to the daemon but to look at it.
Read next: ``app`` (all routes), ``guard`` (who may), ``errors`` (how a refusal looks).
"""
