-- Projects whose new commits are built by themselves, and where their refs were seen last.

CREATE TABLE watches (
    project_id  TEXT PRIMARY KEY,
    -- What is built, and how often is looked (JSON).
    rules       TEXT NOT NULL,
    -- When it is looked at next; who looks moves it, so that of several servers one does.
    next_at     BIGINT NOT NULL,
    -- When it was last seen, and why it could not be since.
    seen_at     BIGINT,
    problem     TEXT,
    failures    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX watches_by_time ON watches (next_at);

CREATE TABLE heads (
    project_id  TEXT NOT NULL,
    -- The full name of the ref.
    name        TEXT NOT NULL,
    -- Where it was last seen; empty once it is gone.
    commit_id   TEXT,
    seen_at     BIGINT NOT NULL,
    -- The build that was made of it, or why none was.
    build_id    TEXT,
    skipped     TEXT,
    PRIMARY KEY (project_id, name)
);
-- Whether a commit of a project was built before.
CREATE INDEX builds_by_project_commit ON builds (project_id, commit_id) WHERE project_id IS NOT NULL;
