-- tracks.db: the track archive, synchronous=NORMAL. One row per track. Lost, the past is analysed again.

CREATE TABLE tracks (
    id          TEXT PRIMARY KEY,       -- track_id
    camera_id   TEXT NOT NULL,
    class_name  TEXT NOT NULL,
    confidence  REAL NOT NULL,          -- best seen
    start_ns    INTEGER NOT NULL,
    end_ns      INTEGER NOT NULL,
    points      BLOB NOT NULL           -- msgpack list of [time_ns, x, y, width, height, confidence]
) WITHOUT ROWID;
CREATE INDEX tracks_time ON tracks(camera_id, start_ns);
