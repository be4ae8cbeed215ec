"""The ring on the disks: segment files, their volumes, their index, and the ledger of what is missing.

Objective: what was written is durable within ``durability_s`` (R2), known (R3), and every second
without footage has a cause (R4); the oldest makes room for the newest, locked footage apart.
Invariants: one thread per volume does all syncs; files are the truth and rows follow them; what a
crash leaves is mended before anything is recorded.
Non-goals: where packets come from, how footage is shown.
Read next: ``segment`` (the file), ``volume`` (the disk), ``ledger``, ``recovery``, ``retention``.
"""
