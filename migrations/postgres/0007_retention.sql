-- How long what was built is kept: what has gone, what is pinned, and what projects say.

-- When its objects were removed by the rules or by hand; the row stays and says so.
ALTER TABLE attempts ADD COLUMN artifacts_expired_at BIGINT;
ALTER TABLE attempts ADD COLUMN log_expired_at BIGINT;
-- The same of all attempts that a build had then, so that it is not looked at again.
ALTER TABLE builds ADD COLUMN artifacts_expired_at BIGINT;
ALTER TABLE builds ADD COLUMN logs_expired_at BIGINT;
-- When it gave up its uploaded tree.
ALTER TABLE builds ADD COLUMN upload_expired_at BIGINT;
-- Why it is kept whatever the rules say (JSON); empty if it is not.
ALTER TABLE builds ADD COLUMN pinned TEXT;
-- What differs from the server's rules (JSON).
ALTER TABLE projects ADD COLUMN retention TEXT NOT NULL DEFAULT '{}';
-- The full name of the ref that was resolved, such as refs/heads/main: what source_ref has is what
-- somebody typed.
ALTER TABLE builds ADD COLUMN resolved_ref TEXT;
UPDATE builds SET resolved_ref = source_ref WHERE source_ref LIKE 'refs/%';
CREATE INDEX builds_by_ref ON builds (source_url, resolved_ref, id) WHERE resolved_ref IS NOT NULL;
