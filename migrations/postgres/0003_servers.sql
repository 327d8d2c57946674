-- Several servers on one database: what was certain with one has to be said.

-- A claim takes one job, whichever servers it is sent to.
DROP INDEX jobs_by_claim;
CREATE UNIQUE INDEX jobs_by_claim ON jobs (agent_id, claim_id) WHERE claim_id IS NOT NULL;

-- Only jobs that wait are looked for; finished ones, which are nearly all, are not in the index.
DROP INDEX jobs_to_claim;
CREATE INDEX jobs_to_claim ON jobs (kind, priority DESC, created_at, leg, id) WHERE state = 'queued';

-- The time that leases go by: the database's, which all servers share.
CREATE FUNCTION kiln_now() RETURNS BIGINT LANGUAGE sql VOLATILE
    AS $$ SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) $$;

-- Who holds this row takes in or forgets uploads.
INSERT INTO counters (name, value) VALUES ('uploads', 0);
