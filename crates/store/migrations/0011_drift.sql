-- Differences between what Keystead wants of a key and what the cloud has: one row a difference while it is there, kept when it has ended.
CREATE TABLE drifts (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  -- The key; without one, a cloud key with Keystead's tags that no row names.
  key_id TEXT REFERENCES keys (id),
  -- The cloud's full name of the key.
  cloud_key TEXT NOT NULL,
  attribute TEXT NOT NULL,
  -- Which one of several, for example an alias; else empty.
  item TEXT NOT NULL,
  class TEXT NOT NULL,
  -- Three ways of the same thing, as people read them.
  wanted TEXT NOT NULL,
  last_seen TEXT,
  live TEXT NOT NULL,
  -- OPEN, REPAIRED, ACCEPTED, GONE.
  state TEXT NOT NULL,
  -- JSON: the cloud's event that made it, where one is known.
  cause TEXT,
  found_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  ended_at BIGINT,
  ended_by TEXT,
  -- How often Keystead tried to mend it by itself, and not before when it tries again.
  tries BIGINT NOT NULL DEFAULT 0,
  next_try_at BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX drifts_open ON drifts (keystore_id, cloud_key, attribute, item) WHERE state = 'OPEN';
CREATE INDEX drifts_by_account ON drifts (account_id, id);
CREATE INDEX drifts_by_key ON drifts (key_id, id);
CREATE INDEX drifts_to_mend ON drifts (next_try_at) WHERE state = 'OPEN';

-- How often a keystore is looked through (microseconds; null: when somebody asks), and what is mended without a person.
CREATE TABLE drift_policies (
  keystore_id TEXT NOT NULL PRIMARY KEY REFERENCES keystores (id),
  every BIGINT,
  auto_repair TEXT NOT NULL,
  set_at BIGINT NOT NULL,
  set_by TEXT NOT NULL
);

-- Policy and grants as they are wanted: JSON, as they were first seen or last accepted.
ALTER TABLE cloud_views ADD COLUMN baseline TEXT;

-- Which key an alias points at now.
CREATE INDEX sync_aliases_by_alias ON sync_aliases (keystore_id, alias);
