"""What a box and its hub say to each other, as types: both ends import these, and nothing else of each other.

Objective: one place where the shape of every message stands, with its units and its bounds.
Invariants: the box asks, the hub answers, over HTTP below ``PREFIX``; every request but the enrolment
carries ``Authorization: Bearer <the box's token>``; every id is the box's own, so that saying a thing
twice is saying it once (D2). Times are RFC 3339 UTC with milliseconds. Unknown fields are ignored, so
that either side may be the newer one; ``schema`` says which shape rows have (1: the contract's HTTPS
target; 2: with ``lane`` and ``seq``).
Non-goals: what is owed and when it goes (``sync``), what the hub makes of it (``hub``).
Read next: ``batch`` (rows), ``upload`` (files in chunks), ``heartbeat``, ``directory`` (names), ``counts``
(reconciliation), ``command`` (the other way), ``signing`` (of these), ``enrolment`` (how it begins),
``invitation``.

    POST {PREFIX}/enrol                         Enrolment -> Enrolled            (no token: a one-time code)
    POST {PREFIX}/batch                         Batch -> Answer                  (gzip allowed)
    PUT  {PREFIX}/uploads/{id}                  Manifest -> UploadState          (201 new, 200 known)
    GET  {PREFIX}/uploads/{id}                  -> UploadState
    PUT  {PREFIX}/uploads/{id}/chunks/{offset}  bytes, X-Chunk-SHA256 -> UploadState
    POST {PREFIX}/heartbeat                     Heartbeat -> HeartbeatAnswer
    PUT  {PREFIX}/directory                     Directory -> {}              (where the hub asked for it)
    GET  {PREFIX}/counts                        -> Counts
    POST {PREFIX}/missing                       Missing -> Missing               (asked for, not had)
    GET  {PREFIX}/commands?wait=25&after=7      -> Commands                      (long poll; those whose
                                                                                  seq is higher)

Errors have the contract's shape ``{"error": {kind, message, hint, field?}}`` and its statuses.
"""

PREFIX = "/api/v1/box"
SCHEMA = 2
