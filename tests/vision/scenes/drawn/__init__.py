"""Drawn scenes with exact truth: Y planes of 640x360, numpy only, the same for the same seed.

``scenes`` says what happens; ``backdrop``, ``actors``, ``weather`` draw it; ``sight`` is a detector that
is simulated; ``play`` runs a scene through gate, detector and tracker; ``score`` counts. No packets and no
codec: what compression does to a picture is only imitated by blotchy noise.
"""
