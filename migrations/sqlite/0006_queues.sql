-- Queues that are made and changed while servers run, and the lanes in which jobs wait in them.

CREATE TABLE queues (
    name         TEXT PRIMARY KEY,
    priority     BIGINT NOT NULL,
    -- How many jobs run at one time: in all, of one project, of one user. Empty means any number.
    concurrency  BIGINT,
    per_project  BIGINT,
    per_user     BIGINT,
    -- How many may wait before submissions are refused.
    max_waiting  BIGINT,
    -- Labels that an agent must have (sorted JSON list).
    requires     TEXT NOT NULL,
    -- Why no job of it is given out (JSON); empty if they are.
    paused       TEXT,
    created_at   BIGINT NOT NULL
);
INSERT INTO queues (name, priority, requires, created_at) VALUES ('default', 0, '[]', CAST(strftime('%s', 'now') AS BIGINT) * 1000);

-- A row for each lane: the jobs of one kind, queue, share, user and priority, which are taken in the
-- order they came in. There are as many as differ, not as many as jobs wait.
CREATE TABLE lanes (
    kind        TEXT NOT NULL,
    queue       TEXT NOT NULL,
    share       TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    priority    BIGINT NOT NULL,
    -- Since when somebody waits in it, and when the last one was taken.
    since       BIGINT NOT NULL,
    served_at   BIGINT NOT NULL,
    -- When it was last written: an empty lane is forgotten a while later.
    touched_at  BIGINT NOT NULL,
    PRIMARY KEY (kind, queue, share, created_by, priority)
);
INSERT INTO lanes (kind, queue, share, created_by, priority, since, served_at, touched_at)
    SELECT kind, queue, share, created_by, priority, MIN(created_at), 0, 0 FROM jobs
    WHERE state = 'queued' GROUP BY kind, queue, share, created_by, priority;

-- The first of a lane is found without looking at any other job.
DROP INDEX jobs_to_claim;
CREATE INDEX jobs_to_claim ON jobs (kind, queue, share, created_by, priority, created_at, leg, id)
    WHERE state = 'queued';
-- What limits are compared with.
CREATE INDEX jobs_running ON jobs (kind, queue, share, created_by) WHERE state = 'running';
