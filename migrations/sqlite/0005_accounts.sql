-- Projects that builds belong to, tokens of people and programs, and who did what.

CREATE TABLE projects (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    -- The repository's URL, normalized: git builds of it belong here. Empty for one of uploads only.
    url         TEXT UNIQUE,
    created_by  TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX builds_by_project ON builds (project_id, id) WHERE project_id IS NOT NULL;

-- Copies of what does not change in a job's build, for questions that are asked for every claim.
ALTER TABLE jobs ADD COLUMN project_id TEXT;
ALTER TABLE jobs ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
-- Whose share of the farm it takes: its project's, else its repository's, else its sender's.
ALTER TABLE jobs ADD COLUMN share TEXT NOT NULL DEFAULT '';

CREATE TABLE tokens (
    id            TEXT PRIMARY KEY,
    -- SHA-256 of the secret part; 32 random bytes need no slower one.
    secret_hash   TEXT NOT NULL,
    name          TEXT NOT NULL,
    -- Whoever acts with it: several tokens may be one person's.
    owner         TEXT NOT NULL,
    role          TEXT NOT NULL,
    -- The projects it is for (JSON list of ids); empty means all.
    projects      TEXT,
    created_by    TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT,
    revoked_at    BIGINT,
    used_at       BIGINT
);
CREATE UNIQUE INDEX tokens_by_name ON tokens (owner, name) WHERE revoked_at IS NULL;

CREATE TABLE audit (
    id       TEXT PRIMARY KEY,
    at       BIGINT NOT NULL,
    actor    TEXT NOT NULL,
    -- The token it came with; empty for the administrator's own.
    token    TEXT,
    address  TEXT NOT NULL,
    action   TEXT NOT NULL,
    object   TEXT NOT NULL,
    status   BIGINT NOT NULL,
    request  TEXT NOT NULL
);
CREATE INDEX audit_by_actor ON audit (actor, id);
