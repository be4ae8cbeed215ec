"""The models of a box: which there are, how each does, and getting another one.

Objective: what commands and pages ask about models, over ``vision.packs`` (what a pack is) and
``vision.host`` (what looks now).
Invariants: a pack is in ``models_path`` whole and checked, or not at all; one is installed at a time,
from wherever it is asked for; a licence that binds the owner is never accepted by silence.
Non-goals: no running of models (``vision``), no words for a terminal (``cli``).
Read next: ``listing`` (what the web sees), ``install`` (from where, in which order), ``installing`` (beside
a running box), ``download``, ``health`` (how sure it is, by camera).
"""
