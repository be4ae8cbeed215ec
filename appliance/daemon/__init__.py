"""Floor 9: the box put together.

Objective: open what is stored, start every part from one ordered list, close them in reverse, and
let recording outlive everything that can fail beside it.
Invariants: recording starts before the web and stops after it; a part that fails is a state with a
``since``, never the end of the process; SIGTERM leaves the last fragments on disk within 10 s.
Non-goals: no domain logic; that is on the floors below.
Read next: ``box`` (the ordered list), ``health`` (what is looked at), ``looking_back``, ``demo``.
"""
