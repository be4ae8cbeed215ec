"""Packets to frames.

Objective: the cheapest way to pictures that this machine has, known by measuring.
Invariants: one decoder per camera, one thread; frames carry the packet's box time as ``pts``.
Non-goals: demuxing, scaling, colours.
Read next: ``decoder`` (the interface), ``planes`` (views of a frame).
"""
