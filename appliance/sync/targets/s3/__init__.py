"""Any store that speaks S3: rows as objects of JSON lines, files as objects, long ones in parts.

Objective: a bucket that other programs can read: ``PREFIX/DEVICE/rows/DAY/TIME-HASH.jsonl`` (messages, see
``envelope``) and ``PREFIX/DEVICE/files/DAY/ROW.mp4``.
Invariants: a key follows from what is delivered, so a second delivery overwrites itself; held is what the
store has answered for with 200, each request's bytes being signed by their SHA-256, which the store checks;
a file is complete or not there at all; after a cut it goes on behind the last whole part, which the store
remembers, not we; parts that nobody wants any more are aborted.
Non-goals: buckets' own rules (lifetime, encryption); reading.
Read next: ``target`` (what goes where), ``multipart`` (parts), ``signing`` (AWS Signature Version 4).

    s3://bucket/prefix    options: access_key_id, region, endpoint (of others than Amazon), schema,
    part_bytes, longest_bytes    token: the secret access key

obstore carries whole objects. It cannot go on with an upload of an earlier process and does not say what
is left of one, so parts are our own requests.
"""

from appliance.sync.targets.s3.target import check, make

__all__ = ["check", "make"]
