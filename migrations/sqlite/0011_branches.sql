-- Builds of one branch, of whatever project.
CREATE INDEX builds_by_resolved_ref ON builds (resolved_ref, id) WHERE resolved_ref IS NOT NULL;
