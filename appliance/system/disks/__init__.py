"""The machine's disks: which they are, how they are, what is on them; and the one way to empty one.

Objective: an installer sees each disk as the label on it says (model, serial, size), with its health and age;
a format of the wrong disk is impossible.
Invariants: a disk is named by its serial, never by ``sdb``, which is another disk after the next start.
``erase`` looks twice: before it holds the device, and while it holds it (the kernel gives a device's number
to no other as long as somebody holds it); it touches no disk of the system, none that is mounted or held,
none whose serial two disks have, and nothing at all where it cannot tell which disk the system is on.
Non-goals: partitions (a disk of footage is one file system), RAID, file systems but ext4 for a new one.
Read next: ``found`` (a disk), ``look`` (the kernel's files), ``content``, ``health``, ``erase``, ``mounts``.
"""
