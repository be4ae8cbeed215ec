"""Cameras over RTSP: a client that reads what arrives in large pieces.

Objective: every picture as the camera sent it, handed on with its last packet, at the least cost
per packet: sixteen cameras are four thousand RTP packets a second, all day.
Invariants: what a camera says is data: it picks no address, no file and no amount of memory; the
password leaves in no URL, and in clear only to a camera that knows nothing better than Basic.
Non-goals: UDP and multicast (RTP over the RTSP connection works everywhere and loses nothing),
playing and seeking archives, other codecs than H.264, H.265, AAC and G.711.
Why not libav's: it reads 1, 3 and n bytes with a system call and a poll each, which alone is half
of what recording costs, and its parser holds each picture until the next begins.
Read next: ``connection`` (bytes), ``pictures`` (RTP to pictures), ``camera`` (the dialogue).
"""
