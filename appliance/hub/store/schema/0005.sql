-- What a box tells of itself: its ledger and its figures, newest first.
CREATE INDEX rows_reports ON rows(box_id, kind, shown_ns DESC) WHERE kind IN ('ledger', 'metrics');
