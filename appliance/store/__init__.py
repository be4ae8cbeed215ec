"""Floor 2: SQLite, one file per noun. The only place with SQL.

Objective: ``appliance.db`` (precious, synchronous=FULL), ``archive.db`` (segment index, can be made
again from the files, NORMAL) and ``tracks.db`` (NORMAL), each in WAL mode with one writer thread.
Invariants: every write runs inside ``BEGIN IMMEDIATE`` on that thread; noun modules are plain
functions that take a connection and never commit, so that callers compose them in one transaction
(D1: an outbox row is written with what caused it).
Non-goals: no domain decisions, no ORM.
Read next: ``database`` (the writer), ``schema.sql`` (every column explained), any noun.
"""
