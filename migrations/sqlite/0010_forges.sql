-- What forges tell this installation, what it is told to be at their repositories, and what it tells them.

-- The shared secret of a project's webhook, sealed. The one before is good for a while after a change.
CREATE TABLE hooks (
    project_id      TEXT PRIMARY KEY,
    sealed          BLOB NOT NULL,
    previous        BLOB,
    previous_until  BIGINT,
    created_by      TEXT NOT NULL,
    created_at      BIGINT NOT NULL
);

-- What came in and was signed as it should be.
CREATE TABLE deliveries (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    forge           TEXT NOT NULL,
    event           TEXT NOT NULL,
    -- The forge's own id: the same when it sends it again.
    forge_id        TEXT,
    received_at     BIGINT NOT NULL,
    body            BLOB NOT NULL,
    -- What became of it; empty while it waits.
    outcome         TEXT,
    build_id        TEXT,
    -- When it is worked on next; empty when that is over.
    due_at          BIGINT,
    attempts        BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (project_id, forge, forge_id) WHERE forge_id IS NOT NULL;
CREATE INDEX deliveries_by_project ON deliveries (project_id, id);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;

-- How a project's repository is asked, sealed; for this host only.
CREATE TABLE logins (
    project_id      TEXT PRIMARY KEY,
    host            TEXT NOT NULL,
    kind            TEXT NOT NULL,
    sealed          BLOB NOT NULL,
    updated_by      TEXT NOT NULL,
    updated_at      BIGINT NOT NULL
);

-- Whom a project tells how its builds go: a forge (commit statuses), or anybody (webhooks).
CREATE TABLE targets (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    -- github, gitlab, gitea, or webhook.
    kind            TEXT NOT NULL,
    -- The repository's address at the forge's API, or where the webhook goes.
    url             TEXT NOT NULL,
    -- The token, or the key that webhooks are signed with.
    sealed          BLOB NOT NULL,
    created_by      TEXT NOT NULL,
    created_at      BIGINT NOT NULL
);
CREATE INDEX targets_by_project ON targets (project_id);

-- What they are told. One row for each thing at each target: what is said is how things are when it is sent.
CREATE TABLE outbox (
    id              TEXT PRIMARY KEY,
    target_id       TEXT NOT NULL,
    project_id      TEXT NOT NULL,
    -- A job (statuses) or a build (webhooks).
    subject         TEXT NOT NULL,
    event           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    due_at          BIGINT,
    attempts        BIGINT NOT NULL DEFAULT 0,
    -- What was said last, why it could not be said, and when it was.
    said            TEXT,
    problem         TEXT,
    sent_at         BIGINT,
    UNIQUE (target_id, subject, event)
);
CREATE INDEX outbox_by_project ON outbox (project_id, id);
CREATE INDEX outbox_due ON outbox (due_at) WHERE due_at IS NOT NULL;
-- up to which event they were written.
INSERT INTO counters (name, value) SELECT 'noticed', value FROM counters WHERE name = 'events';
-- The full name of the branch that a repository itself calls its default one.
ALTER TABLE watches ADD COLUMN default_ref TEXT;
CREATE INDEX builds_by_project_ref ON builds (project_id, resolved_ref, id) WHERE project_id IS NOT NULL;
