-- The hub's tables. Times ("_ns") are UTC in nanoseconds since 1970. Flags are 0 or 1.

CREATE TABLE sites (
    id          TEXT PRIMARY KEY,           -- slug
    name        TEXT NOT NULL,
    time_zone   TEXT NOT NULL,              -- IANA name
    latitude    DOUBLE PRECISION,           -- degrees, or null: not on the map
    longitude   DOUBLE PRECISION,
    created_ns  BIGINT NOT NULL
);

CREATE TABLE boxes (
    id               TEXT PRIMARY KEY,      -- device_id, as the box says it
    name             TEXT NOT NULL,
    site_id          TEXT REFERENCES sites(id) ON DELETE SET NULL,
    tags             TEXT NOT NULL,         -- JSON list of texts
    enrolled_ns      BIGINT NOT NULL,       -- the last time
    token_hash       BYTES,                 -- SHA-256; null: revoked
    identity_key     TEXT NOT NULL,         -- Ed25519, public, base64; never changes
    tunnel_key       TEXT NOT NULL,         -- WireGuard, public, base64; may be empty
    tunnel_number    BIGINT UNIQUE,         -- which host of the tunnel's network; null: no tunnel
    tunnel_address   TEXT,                  -- without prefix length; the token counts from there alone
    tunnel_psk       BYTES,                 -- sealed; null: none
    version          TEXT NOT NULL,
    seen_ns          BIGINT,                -- any request with its token; written at most once in a while
    heartbeat_ns     BIGINT,                -- arrival of the last one
    heartbeat        TEXT,                  -- its body
    clock_offset_ns  BIGINT NOT NULL,       -- box_time minus ours at the last heartbeat
    parked           BIGINT NOT NULL,       -- rows that the box cannot deliver, by its last heartbeat
    waiting          BIGINT NOT NULL,       -- rows on their way, by the same
    alerts_open      BIGINT NOT NULL,       -- of this box with status new: counted with each change of one
    alerts_critical  BIGINT NOT NULL,       -- those of them
    status           TEXT NOT NULL,         -- ok | degraded | failing, by the box; empty: never heard
    presence         TEXT NOT NULL CHECK (presence IN ('never', 'online', 'offline')),
    presence_ns      BIGINT NOT NULL        -- since when
);
CREATE INDEX boxes_site ON boxes(site_id);
CREATE INDEX boxes_silent ON boxes(heartbeat_ns) WHERE presence = 'online';

-- The acknowledgement journal: every id that a box was told we hold, of rows and of complete files.
CREATE TABLE received (
    box_id      TEXT NOT NULL,
    id          TEXT NOT NULL,              -- the row's, by the box (D2)
    kind        TEXT NOT NULL,
    day         TEXT NOT NULL,              -- YYYY-MM-DD, UTC, of created_ns
    created_ns  BIGINT NOT NULL,            -- when it happened, by the box's clock
    digest      BIGINT NOT NULL,            -- sync.protocol.counts.digest
    PRIMARY KEY (box_id, id)
) WITHOUT ROWID -- sqlite
) -- postgres
;
CREATE INDEX received_day ON received(box_id, kind, day);

-- Sums of the journal, kept in the transactions that write it.
CREATE TABLE tallies (
    box_id  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    day     TEXT NOT NULL,
    count   BIGINT NOT NULL,
    digest  BIGINT NOT NULL,                -- sum
    PRIMARY KEY (box_id, kind, day)
);

-- What the rows say. One month of created_ns is one partition on PostgreSQL.
CREATE TABLE rows (
    box_id           TEXT NOT NULL,
    id               TEXT NOT NULL,
    kind             TEXT NOT NULL,
    created_ns       BIGINT NOT NULL,       -- when it happened, by the box
    arrived_ns       BIGINT NOT NULL,       -- when it arrived, by us
    clock_offset_ns  BIGINT NOT NULL,       -- how far the box's clock was off, as far as known
    clock_off        BIGINT NOT NULL,       -- 1: created_ns is not to be believed
    shown_ns         BIGINT NOT NULL,       -- where it stands in lists: created_ns, or arrived_ns then
    by_hub           BIGINT NOT NULL,       -- 1: an event of our own, such as box_offline
    body             TEXT NOT NULL,         -- JSON; of an event the newest form it was told in
    camera_id        TEXT NOT NULL,         -- of events; else empty
    type             TEXT NOT NULL,
    severity         TEXT NOT NULL,
    start_ns         BIGINT NOT NULL,
    PRIMARY KEY (box_id, id, created_ns)
) -- sqlite
) PARTITION BY RANGE (created_ns) -- postgres
;
CREATE INDEX rows_events ON rows(shown_ns DESC, id DESC, box_id DESC) WHERE kind = 'event';
CREATE INDEX rows_box_events ON rows(box_id, shown_ns DESC, id DESC) WHERE kind = 'event';
CREATE TABLE rows_rest PARTITION OF rows DEFAULT; -- postgres

-- Changes of events that we have not heard of yet: applied when these come.
CREATE TABLE early (
    box_id      TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    created_ns  BIGINT NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (box_id, event_id)
);

CREATE TABLE alerts (
    box_id       TEXT NOT NULL,
    id           TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    camera_id    TEXT NOT NULL,
    severity     TEXT NOT NULL,
    status       TEXT NOT NULL,             -- new | acknowledged | resolved, by the box
    created_ns   BIGINT NOT NULL,
    updated_ns   BIGINT NOT NULL,           -- created_ns of the row that said so: newest wins
    updated_by   TEXT NOT NULL,             -- its id: of two at one moment the greater
    arrived_ns   BIGINT NOT NULL,           -- the first of them
    body         TEXT NOT NULL,             -- JSON, newest
    wish_ns      BIGINT,                    -- somebody acknowledged it here; the box was not heard on it yet
    wish_by      TEXT,
    wish_note    TEXT,
    PRIMARY KEY (box_id, id)
);
CREATE INDEX alerts_newest ON alerts(created_ns DESC, id DESC);
CREATE INDEX alerts_open ON alerts(box_id, severity) WHERE status = 'new';

CREATE TABLE uploads (
    box_id          TEXT NOT NULL,
    id              TEXT NOT NULL,          -- the row's
    generation      TEXT NOT NULL,          -- another manifest, or another try: names of files never repeat
    kind            TEXT NOT NULL,
    created_ns      BIGINT NOT NULL,
    begun_ns        BIGINT NOT NULL,
    changed_ns      BIGINT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('partial', 'complete', 'broken')),
    received_bytes  BIGINT NOT NULL,
    size_bytes      BIGINT NOT NULL,
    sha256          TEXT NOT NULL,
    mime            TEXT NOT NULL,
    event_id        TEXT NOT NULL,
    camera_id       TEXT NOT NULL,
    stream          TEXT NOT NULL,
    start_ns        BIGINT NOT NULL,
    end_ns          BIGINT NOT NULL,
    PRIMARY KEY (box_id, id)
);
CREATE INDEX uploads_event ON uploads(box_id, event_id);
CREATE INDEX uploads_newest ON uploads(created_ns DESC, id DESC);

CREATE TABLE chunks (
    box_id        TEXT NOT NULL,
    upload_id     TEXT NOT NULL,
    generation    TEXT NOT NULL,
    offset_bytes  BIGINT NOT NULL,
    length_bytes  BIGINT NOT NULL,
    name          TEXT NOT NULL,            -- in the store of files
    PRIMARY KEY (box_id, upload_id, generation, offset_bytes)
);

-- Names in the store of files that nobody needs any more, with all that begins with them.
CREATE TABLE garbage (
    prefix    TEXT PRIMARY KEY,
    since_ns  BIGINT NOT NULL
);

CREATE TABLE codes (
    id           TEXT PRIMARY KEY,
    code_hash    BYTES NOT NULL UNIQUE,     -- SHA-256
    name         TEXT NOT NULL,             -- of the box to be; empty: as it calls itself
    site_id      TEXT REFERENCES sites(id) ON DELETE CASCADE,
    fingerprint  TEXT NOT NULL,             -- SHA-256, hex, of the one identity key it is for; empty: any
    created_by   TEXT NOT NULL,
    created_ns   BIGINT NOT NULL,
    expires_ns   BIGINT NOT NULL,
    used_ns      BIGINT,
    used_by      TEXT,                      -- the box
    revoked_ns   BIGINT
);

-- Outgoing: what boxes are ordered. Filled by the room of control.
CREATE TABLE commands (
    id          TEXT PRIMARY KEY,
    box_id      TEXT NOT NULL,
    seq         BIGINT NOT NULL,            -- grows with every command of this hub to this box
    kind        TEXT NOT NULL,
    payload     TEXT NOT NULL,              -- JSON of the command, the very text that is signed
    signature   TEXT NOT NULL,              -- base64
    key_id      TEXT NOT NULL,
    issued_ns   BIGINT NOT NULL,
    expires_ns  BIGINT NOT NULL,
    issued_by   TEXT NOT NULL,
    state       TEXT NOT NULL,              -- waiting | pending | done | failed | refused | confirmed | undone
    answered_ns BIGINT,
    message     TEXT NOT NULL,
    result      TEXT NOT NULL,              -- JSON
    UNIQUE (box_id, seq)
);
CREATE INDEX commands_waiting ON commands(box_id, seq) WHERE state = 'waiting';

CREATE TABLE users (
    id                    TEXT PRIMARY KEY,
    username              TEXT NOT NULL,
    folded                TEXT NOT NULL UNIQUE,  -- upper and lower case do not matter
    role                  TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    all_sites             BIGINT NOT NULL,       -- 1: also those to come; 0: see user_sites
    must_change_password  BIGINT NOT NULL,
    disabled              BIGINT NOT NULL,
    created_ns            BIGINT NOT NULL,
    password_hash         TEXT NOT NULL          -- argon2id, encoded
);

CREATE TABLE user_sites (
    user_id  TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    site_id  TEXT NOT NULL REFERENCES sites(id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, site_id)
);

CREATE TABLE sessions (
    id          TEXT PRIMARY KEY,
    user_id     TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    kind        TEXT NOT NULL,              -- cookie | bearer
    token_hash  BYTES NOT NULL UNIQUE,
    csrf        TEXT NOT NULL,
    family      TEXT NOT NULL,              -- of one sign-in
    created_ns  BIGINT NOT NULL,
    expires_ns  BIGINT NOT NULL,
    address     TEXT NOT NULL
);
CREATE INDEX sessions_expiry ON sessions(expires_ns);

CREATE TABLE audit (
    id        SERIAL_KEY,
    time_ns   BIGINT NOT NULL,
    user_id   TEXT,
    username  TEXT,
    action    TEXT NOT NULL,
    thing     TEXT NOT NULL,                -- e.g. box/0199..., user/bob
    detail    TEXT NOT NULL                 -- JSON, without credentials
);

-- What all instances share and nobody reads as it stands: sealed with the key of the hub.
CREATE TABLE kept (
    name    TEXT PRIMARY KEY,
    sealed  BYTES NOT NULL
);
