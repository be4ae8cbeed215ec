"""The box's end of a WireGuard tunnel to its endpoint. Off by default; the box works the same without it.

Objective: keys made here, a configuration that routes the endpoint and nothing else, and a tunnel that is
up again within seconds of its link, on kernels with WireGuard and on those without.
Invariants: a private or pre-shared key is in ``Keys`` in memory, sealed in appliance.db, and in files that
the operator asks for (0640): nowhere else, no log, no error, no ``repr``. What is routed into the tunnel
never covers the LAN, the cameras or the way to the internet. A new key is used only after the endpoint has
acknowledged it, and the old one goes only after a handshake with the new one.
Non-goals: enrolment (``sync.enrol`` brings the offer), the firewall (``system.firewall``), the hub's end.
Read next: ``config`` (what is set), ``keys`` and ``kept`` (rotation, at rest), ``device`` (how it is made),
``watchdog`` (how it stays up), ``runner`` (all of it together).
"""
