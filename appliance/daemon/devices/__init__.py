"""The devices behind the cameras: who they are, where they are now, what they notice and what they do.

Objective: ``appliance.onvif`` put to use by a box: finding, following, hearing, switching.
Invariants: each question has its deadline, and none is asked on the recording path; a stranger is told
no password; a camera that DHCP moved is found again by its serial or MAC.
Non-goals: no packets of video (``media``), no protocol (``onvif``).
Read next: ``behind_cameras`` (put together), ``whereabouts``, ``search``, ``devices`` (for people),
``relay_actions``.
"""
