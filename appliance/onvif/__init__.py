"""Floor 3: what cameras say of themselves, and what can be set on them: ONVIF, and makers without it.

Objective: find every camera of a network, know it by its serial or MAC wherever DHCP puts it, say what is
wrong with it in an installer's words, and set it right.
Invariants: whatever a camera answers ends in an understood answer or in a refusal with a hint, within its
deadline; nothing of it is evaluated (no DTD, no entity, at most 1 MB); a password goes only to the address
that it was given for, digested, never into a log or an error.
Non-goals: no video (``media.camera``), no decision about what is recorded.
Read next: ``details`` (everything of one camera), ``discovery``; below them ``device`` and ``streams`` (the
questions), ``soap`` (how they are asked), ``tree`` and ``where`` (what is believed of an answer).
"""
