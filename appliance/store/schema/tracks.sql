-- tracks.db: the track archive and the health of models, synchronous=NORMAL. One row per track. Lost, the
-- past is analysed again, and baselines are learned anew.

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

-- How each camera's model does, hour by hour, kept for 30 days. Rows are comparable only where model
-- and conditions are the same.

CREATE TABLE model_hours (
    camera_id         TEXT NOT NULL,
    hour_ns           INTEGER NOT NULL, -- the start of the UTC hour
    model             TEXT NOT NULL,    -- the detector's name
    conditions        TEXT NOT NULL,    -- what else scores depend on: stream and lowest confidence, e.g. "sub 0.40"
    looks             REAL NOT NULL,    -- frames the detector saw: a rate summed over time, so not whole
    inference_ms_sum  REAL NOT NULL,    -- of those looks
    inference_ms_max  REAL NOT NULL,    -- the slowest half second's mean
    PRIMARY KEY (camera_id, hour_ns, model, conditions)
) WITHOUT ROWID;

CREATE TABLE model_classes (
    camera_id       TEXT NOT NULL,
    hour_ns         INTEGER NOT NULL,
    model           TEXT NOT NULL,
    conditions      TEXT NOT NULL,
    class_name      TEXT NOT NULL,
    boxes           INTEGER NOT NULL,   -- at or above the camera's confidence
    score_sum       REAL NOT NULL,      -- of their scores, each 0..1
    minutes         INTEGER NOT NULL,   -- minutes with a box: boxes of one minute are no independent samples
    minute_sum      REAL NOT NULL,      -- of the minutes' mean scores
    minute_squares  REAL NOT NULL,      -- of their squares
    PRIMARY KEY (camera_id, hour_ns, model, conditions, class_name)
) WITHOUT ROWID;

CREATE TABLE model_alarms (             -- cameras whose model is less sure than usual, until it recovers
    camera_id     TEXT PRIMARY KEY,
    model         TEXT NOT NULL,
    conditions    TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('low','drop')),
    since_ns      INTEGER NOT NULL,
    reference_ns  INTEGER NOT NULL,     -- of a drop: the hour before it; else 0
    detail        TEXT NOT NULL         -- for people
) WITHOUT ROWID;
