"""Who asks, and what may they: people of this box, their passwords, sessions and rights; and the audit of it.

Objective: one answer to "who is this" for every route, WebSocket and page (``auth``), and to "may they see
that" (``access``).
Invariants: no password and no token is stored or logged as it is; guessing is slowed down for each name and
each address (``throttle``); what changes anything is in the audit.
Non-goals: no directory service, no single sign-on.
Read next: ``auth``, ``sessions``, ``access``.
"""
