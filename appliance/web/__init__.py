"""Floor 8: HTTP, WebSockets and pages.

Objective: what people and programs meet, exactly as the contract has it: JSON under ``/api/v1``,
two WebSockets, ``/health/*``, ``/metrics``, and server-rendered pages.
Invariants: every route stands in one table (``app.ROUTES``) with its role, its body and its answer,
so that openapi.json cannot forget one; nothing a stranger sends ends in a 500 or a traceback; no
credential is ever returned; a person limited to some cameras cannot tell that others exist; no
viewer can make another viewer, or the recording, wait.
Non-goals: no SQL, no decisions about events or video: those are asked for through ``ports``.
Read next: ``box`` (what it is given), ``routes`` (what a route is), ``people.auth`` (who asks), ``app``; then
the rooms: ``cameras``, ``live``, ``connections``, ``people``, ``pages``.
"""
