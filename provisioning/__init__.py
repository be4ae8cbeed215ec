"""Beside the floors: what turns a bare box into this site's box, with a phone or with ``answers.toml``.

    claim code ─► step after step: probe ─► plan ─► apply ─► verify ─► a signed report ─► the box runs
                        │
                        └─ the box's own daemon, on loopback, over its own API: it records from the
                           moment that it has a camera, so that what is accepted is what will run

Objective: an installer with a phone, no laptop, no internet and no manual; the same steps, the same checks
and the same words for a file of answers.
Invariants: a step says what it will do before it does it, and done twice the second time changes nothing;
killed at any point, the next start resumes at the step it was at; nothing answers but the wizard, and only to
the claim code; what cannot be undone (a disk formatted) needs the thing's own name typed; a change of the
network undoes itself unless it is confirmed. What a person typed in secret is not kept by the wizard.
Non-goals: no settings that the box's own pages change as well; no second way into the database: what the
daemon has a route for goes through that route.
It stands on floors 1, 2 and 3, the commands and the API; it imports nothing above.
Read next: ``step`` (the form of a step), ``steps`` (which, in what order), ``ground`` (what they stand on).
"""
