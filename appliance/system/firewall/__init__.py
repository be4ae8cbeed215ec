"""Who may reach the box: nftables rules from data. Off by default; the box works the same without them.

Objective: the cameras reach the box's NTP and nothing else, nothing reaches the cameras but the box, the
screen answers on the LAN and in the tunnel and nowhere else.
Invariants: default deny in input and forward; one table of our own, ``inet aries_edge``, so that rules of
others stay; a ruleset comes into force whole or not at all; one that was not confirmed in time is undone by
itself; what is in force after a start is what was confirmed last. No text of a person gets into a ruleset
but names of interfaces and numbers, each checked.
Non-goals: what the box itself sends (it has to call its cameras and its hub), traffic shaping.
Read next: ``settings`` (the data), ``render`` (the rules), ``trial`` (confirm or revert),
``boot`` (the machine's start).
"""
