"""Bundles: what a box without any link delivers by hand, on a disk or a stick that somebody carries.

Objective: a folder that proves whose it is and that it is whole, and that a hub can take in without
believing the stick: it may come back from a stranger.
Invariants: a bundle appears under its name by one rename, after all in it is on stable storage; so a stick
that is pulled leaves whole bundles and ``.partial-`` ones, which no reader looks at. The manifest holds
size and SHA-256 of everything and is signed with the box's identity key (Ed25519, RFC 8032). The same rows
make the same bundle under the same name. Nothing is written where no marker of this box is, nor on the
disk that the system is on: a stick that is not there never fills the box's own disk (cf. R7).
Non-goals: secrecy (whoever holds the stick can read it), cleaning the stick.
Read next: ``manifest`` (what is signed), ``marker``, ``writing`` (the box), ``reading`` (the hub),
``receipt`` (and back).

    STICK/.aries-stick.json
    STICK/aries/DEVICE/2026-01-20/20260120T143000Z-HASH/manifest.json     what is in it
                                                       /manifest.sig      base64, over CONTEXT + manifest.json
                                                       /rows.jsonl        messages, see envelope
                                                       /files/ROW.mp4
                                                       /receipt.json      the hub's, once it was imported
"""
