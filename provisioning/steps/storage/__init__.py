"""Storage: which disks footage goes to, how they are, and how many days they hold.

Objective: an installer picks the disk whose label is in his hand, and no other can be emptied.
Invariants: a disk is emptied only after its own serial was typed, and only by
``appliance.system.disks.erase``, which looks again; a disk that is this box's already is never emptied
again; done twice nothing changes; a volume that is configured is not taken away because nobody named it.
R7: an identity file stands on a disk before the daemon is told of it, and is never written where nothing
is mounted.
Non-goals: RAID, LVM, network file systems, TPM-bound keys.
Read next: ``given`` (answers, and what is found), ``step``, ``work`` (what is to be done, and doing it),
``bootstrap`` (appliance.toml), ``days``.
"""

from provisioning.steps.storage.step import Storage

__all__ = ["Storage"]
