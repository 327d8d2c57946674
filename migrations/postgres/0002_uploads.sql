-- Uploaded trees: who may build which, and which object holds it. An upload's build has no URL, its
-- commit_id is the tree's revision, and upload_base says what the tree was made from (JSON).

ALTER TABLE builds ADD COLUMN upload_base TEXT;

CREATE TABLE uploads (
    -- SHA-256 over the canonical entries; the object holds the tree in canonical form.
    digest         TEXT NOT NULL,
    -- Each of those who uploaded it may build it; they share the object.
    created_by     TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    -- Kept until then, and as long as a build refers to it.
    expires_at     BIGINT NOT NULL,
    -- The last part of the object's key.
    object_id      TEXT COLLATE "C" NOT NULL,
    object_bytes   BIGINT NOT NULL,
    entries        BIGINT NOT NULL,
    bytes          BIGINT NOT NULL,
    PRIMARY KEY (digest, created_by)
);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);
