"""What brokers and stores are told of a row: a message that says which schema it has.

Objective: programs of other people read these for years; old ones must read what a newer box writes, and
newer ones what an old box wrote.
Invariants: each schema is the one before and more fields, none of another meaning: schema 1 is the
contract's plain row with the box's id, schema 2 adds source, frame, detections and still. So a reader of
1 reads 2 as it is; a reader of 2 makes of a 1 what its body tells. Unknown fields are ignored, required
ones checked. A message names its row's id, the key by which a second delivery is told (D2).
Non-goals: the body's own shape (contract), how messages travel (``targets``).
Read next: ``message`` (shapes), ``writing``, ``reading``.

    1  {device_id, id, kind, created_at, body}
    2  the same, and {schema, source: {device_id, camera_id, time}, frame: {width, height, time}?,
       detections: [{track_id, class_name, confidence, box, centre, previous_centre?}],
       still: {mime, ref | data, size_bytes, sha256}?}
"""
