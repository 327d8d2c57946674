-- Named values of projects, sealed; and which builds may have them.

CREATE TABLE secrets (
    project_id  TEXT NOT NULL,
    name        TEXT NOT NULL,
    -- How steps get it: env or file.
    form        TEXT NOT NULL,
    -- The steps that get it (JSON list of names); empty means all.
    steps       TEXT NOT NULL,
    -- Nonce, sealed value, tag; the key is not here.
    sealed      BYTEA NOT NULL,
    updated_by  TEXT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (project_id, name)
);
-- Which key it is that all of them are sealed with; empty until there was a first server that has one.
ALTER TABLE installation ADD COLUMN secrets_key TEXT;
-- The refs whose builds get them (JSON list of patterns); empty means every branch and tag.
ALTER TABLE projects ADD COLUMN trusted_refs TEXT;
-- Why a build gets none of its project's secrets; empty if it gets them.
ALTER TABLE builds ADD COLUMN distrust TEXT DEFAULT 'it is from before there were secrets';
