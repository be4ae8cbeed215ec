-- Retention: what is oldest by where it stands in lists.
CREATE INDEX rows_age ON rows(shown_ns); -- sqlite
CREATE INDEX rows_rest_age ON rows_rest(shown_ns); -- postgres
CREATE INDEX alerts_event ON alerts(box_id, event_id) WHERE status = 'new';
