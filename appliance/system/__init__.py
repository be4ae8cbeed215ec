"""Floor 3: the box itself: service manager, disks, certificate, memory, tunnel, firewall.

Objective: what the daemon asks of the machine it runs on, each thing a small noun of its own.
Invariants: nothing here waits for a camera, a viewer or the network (the tunnel does, in its own part);
secrets are made 0600 in a
0700 folder, written whole or not at all; a full disk still lets the box start (``ballast``).
Non-goals: no video, no policy: retention and health are decided above.
Read next: ``notify`` (systemd), ``tls`` (the certificate), ``ballast``, ``disk``,
``tunnel`` (WireGuard), ``firewall`` (nftables).
"""
