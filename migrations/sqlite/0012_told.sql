-- A digest of what followers of events were told of an agent last; empty for nothing.
ALTER TABLE agents ADD COLUMN told TEXT NOT NULL DEFAULT '';

-- Whether somebody asked for a look at the repository, and waits for what comes of it.
ALTER TABLE watches ADD COLUMN asked BOOLEAN NOT NULL DEFAULT FALSE;
