-- Agents of other machines: how they come in, what they are, whether they are to take jobs.

-- What its enrollment gave an agent and it cannot drop (JSON list of labels).
ALTER TABLE agents ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
-- Why it takes no jobs (JSON); empty if it does.
ALTER TABLE agents ADD COLUMN hold TEXT;
-- The process that is this agent now: another with the same token is turned away.
ALTER TABLE agents ADD COLUMN process TEXT NOT NULL DEFAULT '';

-- Labels that an agent must have (sorted JSON list), and memory beyond the usual.
ALTER TABLE jobs ADD COLUMN requires TEXT NOT NULL DEFAULT '[]';
ALTER TABLE jobs ADD COLUMN memory_bytes BIGINT NOT NULL DEFAULT 0;
CREATE INDEX jobs_that_require ON jobs (requires) WHERE state = 'queued' AND requires <> '[]';

CREATE TABLE enrollments (
    id             TEXT COLLATE "C" PRIMARY KEY,
    token_hash     TEXT NOT NULL UNIQUE,
    created_by     TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT,
    -- How many agents it lets in; empty means any number.
    uses_allowed   BIGINT,
    uses           BIGINT NOT NULL,
    labels         TEXT NOT NULL,
    name_prefix    TEXT NOT NULL,
    note           TEXT NOT NULL,
    revoked        BOOLEAN NOT NULL
);
