"""A box's own screen, lent through this hub for some minutes to the person who asked for it.

Objective: what the box's pages can do and the hub's cannot, from afar, without a port open at the site.
Invariants: the hub carries bytes of a TLS connection that ends in the box, and can read none of it; a port
listens only while a screen is lent, and only to the address of the person who opened it; a box reaches its
own screens and no others; who opened which screen is in the audit log of both ends.
Non-goals: signing in for somebody; that is between the browser and the box.
Read next: ``sync.protocol.screen`` (the picture), ``lending``, ``routes`` (people), ``box_side``.
"""
