"""The parts of the tracker: what it remembers, how it predicts, what a match costs, what is kept.

Objective: one object keeps one identity, at any rate of looks, through gaps, crossings and restarts.
Invariants: numpy and the standard library only (no ``av``: a tracker fits beside anything); times in
seconds, never in frames, so that the rate of looks may change at any moment; lengths in shares of the
box they belong to, so that pictures of any size and shape are alike; the same frames in give the same
tracks out. Nothing here looks at pixels.
Non-goals: no appearance (``costs.Appearance`` is where it would come in), no rules, no files.
Read next: ``appliance.vision.tracking.tracker`` (the life of a track), then ``table`` (what a track is),
``association`` (who is who), ``costs`` (what a match costs), ``movement`` (prediction), ``standing`` (what
does not move), ``voting`` (classes), ``twins`` (boxes that are one thing), ``saved`` (across restarts).
"""
