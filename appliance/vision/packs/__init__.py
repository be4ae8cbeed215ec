"""Model packs: what a model is, where it lies, which one looks.

Objective: a model is a folder that says everything about itself: family, input, labels, licence, and
the SHA-256 of each file. Nothing is guessed at run time.
Invariants: a file whose SHA-256 is not the named one is never loaded; no code comes out of a pack.
a pack appears under its name whole or not at all; what a stranger's file says is bounded and checked.
Non-goals: running models (``detectors``), downloading them (``appliance.cli``).
Read next: ``pack`` (one pack, read strictly), ``catalogue`` (known ones, and where they can be had),
``installed`` (what is there), ``choice`` (what the owner wants), ``placing`` and ``zipped`` (getting one in),
``header`` and ``recognise`` (a bare model file), ``licences``.
"""
