-- archive.db: the segment index, synchronous=NORMAL. Lost or damaged, it is made again from the
-- heads and footers of the files. A row exists only after its file is on stable storage (R3).

CREATE TABLE segments (
    camera_id    TEXT NOT NULL,
    stream       TEXT NOT NULL,         -- main | sub
    boot_id      TEXT NOT NULL,
    run_id       TEXT NOT NULL,         -- one unbroken connection with one set of parameters
    sequence     INTEGER NOT NULL,      -- 0, 1, 2 ... inside the run
    volume_id    TEXT NOT NULL,
    path         TEXT NOT NULL,         -- relative to the volume
    start_ns     INTEGER NOT NULL,      -- of the first key frame
    end_ns       INTEGER NOT NULL,      -- half-open: the next segment's start, or the last frame's end
    bytes        INTEGER NOT NULL,      -- the whole file
    sha256       TEXT NOT NULL,         -- hex, of all before the footer box
    codec        TEXT NOT NULL,         -- RFC 6381, e.g. avc1.640028
    width        INTEGER NOT NULL,      -- pixels
    height       INTEGER NOT NULL,
    frames       INTEGER NOT NULL,      -- video samples
    init_sha256  TEXT NOT NULL,         -- of ftyp+moov: equal means same parameters
    time_unsure  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (camera_id, stream, boot_id, run_id, sequence)
) WITHOUT ROWID;
CREATE INDEX segments_time ON segments(camera_id, stream, start_ns);
CREATE UNIQUE INDEX segments_path ON segments(volume_id, path);
CREATE INDEX segments_oldest ON segments(volume_id, start_ns, path, bytes); -- retention: oldest first, sum of bytes

