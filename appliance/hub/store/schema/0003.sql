-- Who said the newest form of an event, and whether the clock of whoever said it was believed: of words
-- that are not to be believed in, the one that arrived later counts.
ALTER TABLE rows ADD COLUMN updated_ns BIGINT NOT NULL DEFAULT 0;      -- created_ns of the row that said so
ALTER TABLE rows ADD COLUMN updated_by TEXT NOT NULL DEFAULT '';       -- its id
ALTER TABLE rows ADD COLUMN updated_off BIGINT NOT NULL DEFAULT 0;     -- 1: updated_ns is not to be believed
ALTER TABLE early ADD COLUMN updated_by TEXT NOT NULL DEFAULT '';      -- as in rows; its created_ns is updated_ns
ALTER TABLE early ADD COLUMN updated_off BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN updated_off BIGINT NOT NULL DEFAULT 0;

-- What a box's files take, and how many of them are on their way.
CREATE INDEX uploads_held ON uploads(box_id, state, size_bytes);
