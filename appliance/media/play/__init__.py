"""Questions about the past: what is there, a clip of it, a playlist, the pictures up to a moment.

Objective: footage of any span, of segments still being written too, without copying what need not be.
Invariants: reads only; nothing here holds up recording.
Non-goals: no transcoding.
Read next: ``archive`` (the questions), ``footage``, ``clip``, ``hls``, ``packets``.
"""
