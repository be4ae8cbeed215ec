"""Cameras and their footage over HTTP: the list, what is recorded, clips, playlists, zones.

Invariants: whoever may not see a camera cannot tell whether it exists; a file goes out as it lies on disk, in
ranges, and a disk that hangs holds up nobody else.
Read next: ``cameras``, ``recordings``, ``files``.
"""
