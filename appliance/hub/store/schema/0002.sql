-- Retention: what is oldest by where it stands in lists.
CREATE INDEX rows_age ON rows(shown_ns); -- sqlite
CREATE INDEX rows_rest_age ON rows_rest(shown_ns); -- postgres
CREATE INDEX alerts_event ON alerts(box_id, event_id) WHERE status = 'new';

-- Events of one type or one severity, newest first, however rare; the other of the two is looked at in the
-- index, so that a pair that never meets costs a walk over the index alone.
CREATE INDEX rows_type ON rows(type, shown_ns DESC, id DESC, box_id DESC, severity) WHERE kind = 'event';
CREATE INDEX rows_severity ON rows(severity, shown_ns DESC, id DESC, box_id DESC, type) WHERE kind = 'event';

-- Rotation of a box's tunnel key: announced by the box, not yet seen in use.
ALTER TABLE boxes ADD COLUMN tunnel_key_next TEXT NOT NULL DEFAULT '';  -- WireGuard, public, base64
ALTER TABLE boxes ADD COLUMN tunnel_key_used BIGINT NOT NULL DEFAULT 0; -- 1: the box said that it changes over

-- 1: it will not come any more; the box had to tell its tombstone instead (D5).
ALTER TABLE uploads ADD COLUMN lost BIGINT NOT NULL DEFAULT 0;
