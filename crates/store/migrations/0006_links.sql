-- Which key is a copy of which, who copied it, when, and into which keystore as that was called then. It goes with the copy, if that is never made.
CREATE TABLE key_links (
  key_id TEXT NOT NULL PRIMARY KEY REFERENCES keys (id),
  source_key_id TEXT NOT NULL REFERENCES keys (id),
  account_id TEXT NOT NULL REFERENCES accounts (id),
  keystore TEXT NOT NULL,
  copied_by TEXT NOT NULL,
  copied_by_name TEXT NOT NULL,
  copied_at BIGINT NOT NULL
);
CREATE INDEX key_links_by_source ON key_links (source_key_id, key_id);
