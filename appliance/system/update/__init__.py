"""An update of the box: system and application together, into the slot that is not running.

    upload / stick / hub ─► offered ─► looked at ─► written ─► databases copied ─► booted ─► records? ─► good
                                        │refused                                            │ no
                                        ▼ in words                                          ▼ back, and why

Objective: a box that updates itself for years, and that after any update, good, bad or cut short, records.
Invariants: nothing is written before signature, kind of box, version and room were looked at; the running
slot is never written; a slot is good only when every camera that recorded before writes under it, else the
box goes back by itself; the old slot finds databases that it can open, with what was recorded since (how, and
what cannot come over: ``store.carrying_back``). Where the box is in all this is in RAUC, in the sector of
tries, and in one file that is replaced whole (``record``): power may go at any moment. Decisions are pure
functions over what was looked at (``judging``, ``verdict``, ``settling``).
Non-goals: making images and bundles (``firmware``); model packs and camera templates, which update apart.
Read next: ``record`` (where it is), ``inbox`` (the daemon's side), ``judging`` (may it be installed),
``installing``, ``boot`` (which slot boots), ``verdict`` (does it record), ``proving`` (what follows).
"""
