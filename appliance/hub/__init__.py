"""Floor 8: the optional endpoint that many boxes report to.

Objective: what boxes send is held exactly once, can be watched, searched and answered, and can be proven
to be all of it.
Invariants: an instance keeps nothing that another would miss: everything is in the database and in the
store of files; nothing is acknowledged before it is on stable storage there; a box is known by its token
and can reach nothing of another's.
Non-goals: no box needs a hub; it knows no camera and no rule but by what boxes say of them.
Read next: ``sync.protocol``, what the two say to each other.
"""
