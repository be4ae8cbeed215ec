-- What things on a box are called, as it told last (sync.protocol.directory).
ALTER TABLE boxes ADD COLUMN directory TEXT NOT NULL DEFAULT '';       -- digest of the one that is held; empty: none
ALTER TABLE boxes ADD COLUMN told_name TEXT NOT NULL DEFAULT '';       -- what the box calls its site
ALTER TABLE boxes ADD COLUMN told_zone TEXT NOT NULL DEFAULT '';       -- IANA name, by the box; empty: never told

-- enrolled_ns is of the last enrolment: what was before the first is at the box alone.
ALTER TABLE boxes ADD COLUMN first_enrolled_ns BIGINT NOT NULL DEFAULT 0;
UPDATE boxes SET first_enrolled_ns = enrolled_ns;

CREATE TABLE names (
    box_id     TEXT NOT NULL,
    what       TEXT NOT NULL,           -- camera | zone | rule
    id         TEXT NOT NULL,           -- by the box
    name       TEXT NOT NULL,
    camera_id  TEXT NOT NULL,           -- of a zone; else empty
    streams    TEXT NOT NULL,           -- of a camera: those that are recorded, a JSON list of texts
    enabled    BIGINT NOT NULL,
    place      BIGINT NOT NULL,         -- in the box's own order
    listed     BIGINT NOT NULL,         -- 1: in the newest directory; 0: was once, and old events speak of it
    told_ns    BIGINT NOT NULL,         -- when it was listed last
    PRIMARY KEY (box_id, what, id)
);

-- The alerts of an event, whatever became of them.
CREATE INDEX alerts_of_event ON alerts(box_id, event_id);
