"""A whole life of a box in qemu (UEFI, software emulation): claimed, recording, updated, broken, cut off.

Each chapter is a function of its own over one guest (``chapters``), so that it can be run alone:
``make image-test ARGS=update``. What the guest is asked goes over its screen's HTTP as a person's browser
would, and over a root shell on a second serial line that only this bench switches on (an argument of the
kernel in the bench's copy of the boot partition; slots and bundles are as shipped).
Read next: ``guest`` (the machine), ``box`` (its screen), ``chapters``.
"""
