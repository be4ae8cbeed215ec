"""Bytes of video: NAL units and their parameters, boxes, one moof+mdat per picture.

Objective: what a player or a decoder needs, said exactly (ISO/IEC 14496-12 and -15).
Invariants: pure functions and small state; no files, no sockets, no clock.
Non-goals: other containers and codecs.
Read next: ``fragmenter``, ``h26x``, ``boxes``.
"""
