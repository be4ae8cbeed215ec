"""Floor 4: encoded packets in, tracks out. One child process per accelerator.

Objective: say what moves through the pictures, fast enough to alert on, without ever costing a
recorded frame. The daemon's side (``host``, ``feed``) hands packets over without blocking; the
child's side (``worker``) decodes, gates on motion, detects, tracks, and answers in small messages:

    packets ─ host ─► socket ─ worker ─► decoding ─► looking ─► detectors ─► tracking ─► points ─► host
                                                     whose turn    packs ─┘     └─ health: are they still good

Invariants:
 V1  Nothing here makes a stream thread wait (R9): a full hand-off skips to the next key frame.
 V2  Decoded frames never cross a process border; only points and JPEG stills do.
 V3  The daemon's side imports neither numpy nor av nor a backend; the child has no network, no
     database and no file to write (``sandbox``), but the device of a GPU where there is one.
 V4  A crash, a hang or a poisoned stream costs the child alone. It is seen within 4 s (a call of a
     driver that does not return, where its calls were never quick, within 10 s), and the current GOP
     and the open tracks are given to the next one, so that identities survive.
 V5  A track's id is unique for ever, and every ``start`` is followed by exactly one ``end``.

Non-goals: no rules, no events, no alerts; no decoding for people to watch.
Read next: ``host`` (the daemon's side), ``messages`` (what travels), ``worker`` (the child), then one
frame's way: ``decoding``, ``looking``, ``detectors``, ``tracking``.
"""

import os

# onnxruntime's wheels keep a device id in the home folder and report usage as soon as they are
# imported. A box that is offline first reports to nobody, so this stands before any import of it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
