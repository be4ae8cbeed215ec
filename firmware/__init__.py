"""Beside the floors: the image of a box and the bundles that update it, at build time.

    image.toml ─► mmdebstrap + the locked wheels ─► root tree ─► squashfs ─┬─► disk image (ESP, A, B, data)
                                                                          └─► signed bundle (RAUC, verity)

Objective: from the recipe and the lock, the same bytes each time; one bundle holds system and application
together, kernel included, so that no box runs a pair that was not tried.
Invariants: no key is in the repository or in an image: an image holds certificates; a slot is never written
but whole; what may change on a box lies on /data; the boot partition's file system is never changed after
the factory, but for one sector that counts tries (``appliance.system.update.boot``).
Non-goals: how a box takes a bundle, and goes back from one, is run-time: ``appliance.system.update``.
Read next: ``recipe`` (image.toml), ``root`` (the tree), ``image`` (the disk), ``bundle``, ``bill`` (SBOM and
licences), ``life`` (a whole life in qemu).
"""
