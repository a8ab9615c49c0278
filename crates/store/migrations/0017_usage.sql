-- Deletions that are rehearsed: the key is disabled until ends_at, and then comes back by itself. next_at: when a look has something to do.
-- used_before, used_after: what the cloud knew of the key's use, JSON.
CREATE TABLE rehearsals (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  key_id TEXT NOT NULL REFERENCES keys (id),
  state TEXT NOT NULL,
  begun_by TEXT NOT NULL,
  begun_by_name TEXT NOT NULL,
  begun_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  used_before TEXT NOT NULL,
  used_after TEXT,
  ended_at BIGINT
);
CREATE UNIQUE INDEX rehearsals_open ON rehearsals (key_id) WHERE ended_at IS NULL;
CREATE INDEX rehearsals_due ON rehearsals (next_at) WHERE ended_at IS NULL;
CREATE INDEX rehearsals_by_key ON rehearsals (key_id, id);
