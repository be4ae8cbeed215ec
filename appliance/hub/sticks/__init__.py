"""Sticks that people carry here from boxes without a link.

Objective: what a box signed onto a stick is held here as if it had come over the link, once in all.
Invariants: nothing of a stick is believed that the box's identity key, known from its enrolment, did not
sign; rows and files take the ways of batches and uploads, so that coming twice, or both ways, is coming
once; a file is whole and hashed here before its first byte is counted; a receipt is written after all of
it is on stable storage.
Non-goals: cleaning the stick, boxes that are not enrolled.
Read next: ``sync.bundle`` (the format, and who reads it how), ``importing``, ``files``.
"""
