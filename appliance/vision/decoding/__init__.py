"""Packets to frames.

Objective: the cheapest way to pictures that this machine has, known by measuring; and no picture
decoded that nobody will look at.
Invariants: one decoder per camera, one thread; frames are in system memory and carry the packet's box
time as ``pts``; a frame that is picked is the one that decoding everything would have shown.
Non-goals: demuxing, scaling, colours.
Read next: ``camera`` (what is decoded, when), ``decoder`` (the interface, and software), ``paths`` and
``probe`` (which hardware, and why), ``planes`` (views of a frame).
"""
