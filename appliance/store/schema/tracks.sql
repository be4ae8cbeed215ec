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
CREATE INDEX tracks_end ON tracks(end_ns);

CREATE TABLE presences (                -- who was in view; read at the start, so that nobody enters twice
    track_id  TEXT PRIMARY KEY,
    body      TEXT NOT NULL             -- JSON of TrackPoint: where it was last seen
) WITHOUT ROWID;

CREATE TABLE tracker_memory (           -- what each camera's tracker knew last: after a restart it goes on
    camera_id  TEXT PRIMARY KEY,
    time_ns    INTEGER NOT NULL,        -- when it was told
    body       BLOB NOT NULL            -- MessagePack with its version and check sum (vision.tracking.saved)
) WITHOUT ROWID;
