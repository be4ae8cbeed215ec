-- appliance.db: precious, synchronous=FULL. All *_ns are UTC nanoseconds of the box clock.
-- JSON columns hold msgspec-encoded structs of appliance.base.model.

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,             -- e.g. device_id, site, retention, alive_ns, schema of value by key
    value TEXT NOT NULL                 -- JSON
) WITHOUT ROWID;

CREATE TABLE cameras (
    id           TEXT PRIMARY KEY,      -- slug of the first name, for ever
    name         TEXT NOT NULL,
    enabled      INTEGER NOT NULL,      -- 0 | 1
    body         TEXT NOT NULL,         -- JSON of Camera (no credentials)
    secret       BLOB,                  -- Credentials, encrypted with the box's secret key; NULL: none
    tls_pin      TEXT,                  -- SHA-256 of an rtsps camera's certificate, pinned on first use
    created_ns   INTEGER NOT NULL,
    archived_ns  INTEGER                -- deleted by a person; footage ages out, events stay
) WITHOUT ROWID;

CREATE TABLE camera_identities (        -- which device a camera is, learnt while it worked
    camera_id  TEXT PRIMARY KEY,
    host       TEXT NOT NULL,           -- where it was learnt; of no use for another address
    learnt_ns  INTEGER NOT NULL,
    serial     TEXT,                    -- as the maker numbers it
    mac        TEXT,                    -- 00:11:22:aa:bb:cc
    endpoint   TEXT,                    -- its UUID in WS-Discovery, 32 digits
    onvif_url  TEXT                     -- of its device service; NULL: it speaks no ONVIF
) WITHOUT ROWID;

CREATE TABLE zones (
    id         TEXT PRIMARY KEY,
    camera_id  TEXT NOT NULL REFERENCES cameras(id),
    body       TEXT NOT NULL            -- JSON of Zone
) WITHOUT ROWID;

CREATE TABLE rules (
    id    TEXT PRIMARY KEY,
    body  TEXT NOT NULL                 -- JSON of Rule
) WITHOUT ROWID;

CREATE TABLE users (
    id                   TEXT PRIMARY KEY,
    username             TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role                 TEXT NOT NULL CHECK (role IN ('viewer','operator','installer','admin')),
    password_hash        TEXT NOT NULL, -- argon2id, encoded form
    camera_ids           TEXT,          -- JSON list, NULL: all
    must_change_password INTEGER NOT NULL DEFAULT 0, -- 1: signed in with a claim code
    created_ns           INTEGER NOT NULL,
    disabled             INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE sessions (
    id          TEXT PRIMARY KEY,
    user_id     TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    kind        TEXT NOT NULL CHECK (kind IN ('cookie','bearer','refresh')),
    token_hash  BLOB NOT NULL UNIQUE,   -- SHA-256 of the secret; the secret itself is not stored
    csrf        TEXT,                   -- for cookies
    family      TEXT NOT NULL,          -- one sign-in; a replayed refresh token revokes its family
    created_ns  INTEGER NOT NULL,
    expires_ns  INTEGER NOT NULL,
    used_ns     INTEGER,                -- refresh: when it was rotated away
    address     TEXT                    -- where from
) WITHOUT ROWID;
CREATE INDEX sessions_family ON sessions(family);

CREATE TABLE events (
    id          TEXT PRIMARY KEY,       -- UUIDv7
    camera_id   TEXT NOT NULL,
    rule_id     TEXT,
    type        TEXT NOT NULL,
    severity    TEXT NOT NULL,
    class_name  TEXT NOT NULL,
    confidence  REAL NOT NULL,
    start_ns    INTEGER NOT NULL,       -- when it happened
    created_ns  INTEGER NOT NULL,       -- when the box knew
    body        TEXT NOT NULL           -- JSON of Event
) WITHOUT ROWID;
CREATE INDEX events_time ON events(start_ns DESC, id DESC);
CREATE INDEX events_camera ON events(camera_id, start_ns DESC, id DESC);

CREATE TABLE alerts (
    id          TEXT PRIMARY KEY,
    event_id    TEXT NOT NULL REFERENCES events(id),
    camera_id   TEXT NOT NULL,
    severity    TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('new','acknowledged','resolved')),
    created_ns  INTEGER NOT NULL,
    body        TEXT NOT NULL           -- JSON of Alert
) WITHOUT ROWID;
CREATE INDEX alerts_time ON alerts(created_ns DESC, id DESC);
CREATE INDEX alerts_open ON alerts(status, created_ns DESC);
CREATE INDEX alerts_event ON alerts(event_id);

CREATE TABLE journal (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- the position that /ws/events speaks of
    type        TEXT NOT NULL CHECK (type IN ('event','alert','camera','system')),
    camera_id   TEXT,
    time_ns     INTEGER NOT NULL,
    data        TEXT NOT NULL           -- JSON, in the contract's shape
);

CREATE TABLE targets (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,             -- https | hub | s3 | ...
    enabled  INTEGER NOT NULL,
    body     TEXT NOT NULL,             -- JSON: url, ca, options, policy
    secret   BLOB                       -- token, encrypted
) WITHOUT ROWID;

CREATE TABLE outbox (
    position         INTEGER PRIMARY KEY, -- order of entry: kept inside a lane by first deliveries
    id               TEXT NOT NULL,     -- idempotency key, never changes (D2)
    target_id        TEXT NOT NULL,
    kind             TEXT NOT NULL,     -- event | alert | still | ... (store.policy)
    lane             INTEGER NOT NULL,  -- 0 most urgent
    is_file          INTEGER NOT NULL,  -- 1: a file is owed; body says which. A tombstone owes none
    is_tombstone     INTEGER NOT NULL DEFAULT 0, -- 1: the body was dropped (D5); still to be delivered as such
    state            INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2), -- 0 waiting or in flight,
                                        -- 1 waiting, not before next_attempt_ns, 2 parked
    created_ns       INTEGER NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    next_attempt_ns  INTEGER NOT NULL DEFAULT 0,
    size_bytes       INTEGER NOT NULL,  -- of body; with the estimated file, where one is owed
    last_error       TEXT,
    body             BLOB NOT NULL      -- JSON in the contract's shape; of a tombstone: why
);
CREATE UNIQUE INDEX outbox_id ON outbox(id, target_id);
CREATE INDEX outbox_next ON outbox(target_id, is_file, lane, position) WHERE state = 0;
CREATE INDEX outbox_due ON outbox(target_id, is_file, next_attempt_ns) WHERE state = 1;
CREATE INDEX outbox_parked ON outbox(target_id) WHERE state = 2;
CREATE INDEX outbox_age ON outbox(target_id, lane, kind, is_tombstone, created_ns);

CREATE TABLE outbox_flight (            -- what is on its way: a batch and a file per target, beside the rows
    position     INTEGER PRIMARY KEY,   -- so that taking a batch does not write every row of it anew
    target_id    TEXT NOT NULL
);

CREATE TABLE outbox_counts (            -- D6, kept with each change
    target_id    TEXT NOT NULL,
    lane         INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    owed         INTEGER NOT NULL DEFAULT 0, -- rows ever entered
    acknowledged INTEGER NOT NULL DEFAULT 0,
    tombstoned   INTEGER NOT NULL DEFAULT 0, -- tombstones that the target acknowledged
    waiting      INTEGER NOT NULL DEFAULT 0,
    in_flight    INTEGER NOT NULL DEFAULT 0,
    parked       INTEGER NOT NULL DEFAULT 0,
    bytes        INTEGER NOT NULL DEFAULT 0, -- size_bytes of all in the outbox
    PRIMARY KEY (target_id, lane, kind)
) WITHOUT ROWID;

CREATE TABLE delivered (                -- what a target acknowledged, as long as it can be owed again
    position         INTEGER PRIMARY KEY, -- order of acknowledgement
    target_id        TEXT NOT NULL,
    id               TEXT NOT NULL,
    kind             TEXT NOT NULL,     -- as the target has it: of a tombstone, tombstone
    day              TEXT NOT NULL,     -- YYYY-MM-DD, UTC, of created_ns
    was_kind         TEXT NOT NULL,     -- as it was owed
    lane             INTEGER NOT NULL,
    is_file          INTEGER NOT NULL,
    created_ns       INTEGER NOT NULL,
    acknowledged_ns  INTEGER NOT NULL,
    size_bytes       INTEGER NOT NULL,
    body             BLOB NOT NULL
);
CREATE UNIQUE INDEX delivered_day ON delivered(target_id, kind, day, id);
CREATE INDEX delivered_id ON delivered(id);

CREATE TABLE delivered_days (           -- sums of what was acknowledged; a row that is forgotten still counts
    target_id  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    day        TEXT NOT NULL,
    count      INTEGER NOT NULL,
    digest     INTEGER NOT NULL,        -- sum of the ids' digests (sync.protocol.counts)
    kept       INTEGER NOT NULL,        -- rows in delivered
    kept_bytes INTEGER NOT NULL,        -- of their bodies
    PRIMARY KEY (target_id, kind, day)
) WITHOUT ROWID;

CREATE TABLE spent (                    -- what went out to a target, for its budget
    target_id  TEXT NOT NULL,
    slot       INTEGER NOT NULL,        -- quarter of an hour since 1970, UTC: every zone's hours end on one
    bytes      INTEGER NOT NULL,
    PRIMARY KEY (target_id, slot)
) WITHOUT ROWID;

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns    INTEGER NOT NULL,
    user_id    TEXT,
    username   TEXT,
    action     TEXT NOT NULL,           -- viewed | exported | changed | signed_in | refused | ...
    thing      TEXT NOT NULL,           -- e.g. camera/gate, user/bob
    detail     TEXT NOT NULL            -- JSON
);
CREATE INDEX audit_time ON audit(time_ns);

-- What no file can tell of the recordings (R4-R7).

CREATE TABLE gaps (
    camera_id  TEXT NOT NULL,
    stream     TEXT NOT NULL,           -- main | sub
    start_ns   INTEGER NOT NULL,
    end_ns     INTEGER,                 -- NULL: still open
    cause      TEXT NOT NULL,
    boot_id    TEXT NOT NULL,
    PRIMARY KEY (camera_id, stream, start_ns, boot_id)
) WITHOUT ROWID;

CREATE TABLE locks (
    id          TEXT PRIMARY KEY,
    camera_id   TEXT NOT NULL,
    start_ns    INTEGER NOT NULL,
    end_ns      INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    owner       TEXT NOT NULL CHECK (owner IN ('person','event','outbox')),
    owner_id    TEXT NOT NULL,
    created_ns  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX locks_span ON locks(camera_id, start_ns, end_ns);
CREATE INDEX locks_owner ON locks(owner_id);

CREATE TABLE volumes (
    id          TEXT PRIMARY KEY,       -- also in VOLUME/.volume.json (R7)
    path        TEXT NOT NULL UNIQUE,
    created_ns  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE garbage (                  -- files that are to go (R5); replayed at start
    volume_id  TEXT NOT NULL,
    path       TEXT NOT NULL,           -- relative to the volume
    camera_id  TEXT NOT NULL,
    stream     TEXT NOT NULL,
    start_ns   INTEGER NOT NULL,
    end_ns     INTEGER NOT NULL,
    PRIMARY KEY (volume_id, path)
) WITHOUT ROWID;

-- What was recorded and not looked at, to be looked at afterwards.

CREATE TABLE blind_spans (
    id             TEXT PRIMARY KEY,    -- UUIDv7
    camera_id      TEXT NOT NULL,
    stream         TEXT NOT NULL,       -- main | sub: the one that was to be analysed
    start_ns       INTEGER NOT NULL,
    end_ns         INTEGER NOT NULL,
    cause          TEXT NOT NULL,       -- worker_down | overload | model_missing | restart
    state          TEXT NOT NULL CHECK (state IN ('waiting','done','gone')), -- gone: so is its footage
    done_until_ns  INTEGER NOT NULL,    -- all before it has been looked at
    found          INTEGER NOT NULL     -- events that came of it
) WITHOUT ROWID;
CREATE INDEX blind_spans_due ON blind_spans(state, end_ns);
CREATE INDEX blind_spans_camera ON blind_spans(camera_id, end_ns);

CREATE TABLE judged (                   -- how far each camera was looked at, written every few seconds
    camera_id  TEXT PRIMARY KEY,
    stream     TEXT NOT NULL,
    until_ns   INTEGER NOT NULL
) WITHOUT ROWID;

-- The hub, if there is one, and what it orders.

CREATE TABLE identity (                 -- one row, from the first enrolment on
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    public_key  BLOB NOT NULL,          -- Ed25519, 32 bytes
    sealed      BLOB NOT NULL,          -- the private half, encrypted with the box's secret key
    created_ns  INTEGER NOT NULL
);

CREATE TABLE hub_link (                 -- one row while the box belongs to a hub
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    target_id      TEXT NOT NULL,       -- of the target that reaches it
    box_id         TEXT NOT NULL,       -- what the hub calls this box
    command_key    BLOB NOT NULL,       -- Ed25519, public: orders signed with it are obeyed
    enrolled_ns    INTEGER NOT NULL
);

CREATE TABLE commands (                 -- orders of the hub, each once
    id           TEXT PRIMARY KEY,      -- the hub's
    key_id       TEXT NOT NULL,         -- of the key that signed it
    seq          INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    by           TEXT NOT NULL,         -- who ordered it, as the hub said
    body         TEXT NOT NULL,         -- JSON
    state        TEXT NOT NULL CHECK
        (state IN ('taken','pending','done','failed','refused','confirmed','undone')),
    message      TEXT NOT NULL,
    received_ns  INTEGER NOT NULL,
    expires_ns   INTEGER NOT NULL,
    answered_ns  INTEGER
) WITHOUT ROWID;
CREATE INDEX commands_seq ON commands(key_id, seq);
CREATE INDEX commands_received ON commands(received_ns);

CREATE TABLE settings_trial (           -- settings that undo themselves unless the hub is heard again
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    command_id   TEXT NOT NULL,
    changes      TEXT NOT NULL,         -- JSON: [[path, before, after], ...]
    began_ns     INTEGER NOT NULL,
    deadline_ns  INTEGER NOT NULL
);

CREATE TABLE channels (                 -- whom the box tells of alerts
    id       TEXT PRIMARY KEY,
    enabled  INTEGER NOT NULL,
    body     TEXT NOT NULL,             -- JSON of Channel (no secrets)
    secret   BLOB                       -- password or token, encrypted; NULL: none
) WITHOUT ROWID;

CREATE TABLE notifications (            -- one alert owed to one channel
    key         TEXT PRIMARY KEY,       -- UUIDv7, by which a receiver knows one that comes twice
    alert_id    TEXT NOT NULL,
    channel_id  TEXT NOT NULL,
    rank        INTEGER NOT NULL,       -- of the severity: 0 info, 1 warning, 2 critical
    state       TEXT NOT NULL CHECK (state IN ('waiting','sent','quiet','refused','late')),
    created_ns  INTEGER NOT NULL,       -- when the alert was raised
    done_ns     INTEGER,                -- when it was sent or given up
    attempts    INTEGER NOT NULL DEFAULT 0, -- in vain
    error       TEXT NOT NULL DEFAULT ''    -- of the last of them, for people
) WITHOUT ROWID;
CREATE UNIQUE INDEX notifications_alert ON notifications(alert_id, channel_id);
CREATE INDEX notifications_next ON notifications(channel_id, rank DESC, created_ns) WHERE state = 'waiting';
CREATE INDEX notifications_age ON notifications(created_ns);
