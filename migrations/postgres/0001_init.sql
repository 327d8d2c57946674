-- The first schema. Times are milliseconds since the Unix epoch, ids are ULIDs as text, and what is
-- read as a whole is JSON text. Column names are the same in every database kiln supports.

CREATE TABLE builds (
    id            TEXT COLLATE "C" PRIMARY KEY,
    project_id    TEXT COLLATE "C",
    created_by    TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    trigger_kind  TEXT NOT NULL,
    source_url    TEXT NOT NULL,
    source_ref    TEXT,
    commit_id     TEXT COLLATE "C" NOT NULL,
    commit_info   TEXT,
    submission    TEXT NOT NULL,
    queue         TEXT NOT NULL,
    priority      BIGINT NOT NULL,
    labels        TEXT NOT NULL,
    state         TEXT NOT NULL,
    outcome       TEXT,
    finished_at   BIGINT
);
CREATE INDEX builds_by_commit ON builds (commit_id, id);
CREATE INDEX builds_by_state ON builds (state, id);
CREATE INDEX builds_by_outcome ON builds (outcome, id);

CREATE TABLE jobs (
    id             TEXT COLLATE "C" PRIMARY KEY,
    build_id       TEXT COLLATE "C" NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    kind           TEXT NOT NULL,
    toolchain      TEXT,
    variant        TEXT NOT NULL,
    leg            BIGINT NOT NULL,
    recipe         TEXT NOT NULL,
    limits         TEXT NOT NULL,
    own_recipe     BOOLEAN NOT NULL,
    retry_of       TEXT,
    retried        BOOLEAN NOT NULL,
    queue          TEXT NOT NULL,
    priority       BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    -- The state, flattened: which columns are set follows from `state`.
    state          TEXT NOT NULL,
    attempts       BIGINT NOT NULL,
    queued_since   BIGINT,
    not_before     BIGINT,
    agent_id       TEXT COLLATE "C",
    claim_id       TEXT COLLATE "C",
    started_at     BIGINT,
    lease_until    BIGINT,
    cancel_reason  TEXT,
    outcome        TEXT,
    cause          TEXT,
    message        TEXT NOT NULL,
    finished_at    BIGINT
);
CREATE INDEX jobs_by_build ON jobs (build_id, leg, id);
CREATE INDEX jobs_to_claim ON jobs (state, kind, priority DESC, created_at, leg, id);
CREATE INDEX jobs_by_lease ON jobs (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX jobs_by_waiting ON jobs (queued_since) WHERE queued_since IS NOT NULL;
CREATE INDEX jobs_by_claim ON jobs (claim_id) WHERE claim_id IS NOT NULL;
CREATE INDEX jobs_by_agent ON jobs (agent_id) WHERE agent_id IS NOT NULL;

CREATE TABLE attempts (
    job_id        TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number        BIGINT NOT NULL,
    agent_id      TEXT COLLATE "C" NOT NULL,
    started_at    BIGINT NOT NULL,
    finished_at   BIGINT,
    outcome       TEXT,
    cause         TEXT,
    message       TEXT NOT NULL,
    sandbox       TEXT,
    steps         TEXT NOT NULL,
    usage         TEXT,
    diagnostics   TEXT,
    artifacts     TEXT,
    -- How far the log reaches, how much of it is stored, and whether it is in the artifact store.
    log_seq       BIGINT NOT NULL,
    log_end       BIGINT NOT NULL,
    log_head      BIGINT NOT NULL,
    log_tail      BIGINT NOT NULL,
    log_sealed    BOOLEAN NOT NULL,
    PRIMARY KEY (job_id, number)
);
CREATE INDEX attempts_to_seal ON attempts (finished_at) WHERE log_sealed = FALSE;

CREATE TABLE log_frames (
    job_id   TEXT COLLATE "C" NOT NULL,
    attempt  BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    -- Data bytes before the frame and in it; a step frame has none.
    start    BIGINT NOT NULL,
    length   BIGINT NOT NULL,
    stream   TEXT,
    tail     BOOLEAN NOT NULL,
    frame    BYTEA NOT NULL,
    PRIMARY KEY (job_id, attempt, seq)
);
-- What may fall out next.
CREATE INDEX log_frames_tail ON log_frames (job_id, attempt, seq) WHERE tail AND length > 0;

CREATE TABLE agents (
    id          TEXT COLLATE "C" PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    token_hash  TEXT NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    status      TEXT NOT NULL
);

CREATE TABLE idempotency_keys (
    principal   TEXT NOT NULL,
    key         TEXT NOT NULL,
    body_hash   TEXT NOT NULL,
    build_id    TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE events (
    id    BIGINT PRIMARY KEY,
    at    BIGINT NOT NULL,
    body  TEXT NOT NULL
);

-- Counters that change in the same transaction as what they count.
CREATE TABLE counters (
    name   TEXT PRIMARY KEY,
    value  BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('events', 0);

-- Tells this installation from others that may share an artifact repository with it.
CREATE TABLE installation (
    id  TEXT COLLATE "C" PRIMARY KEY
);
