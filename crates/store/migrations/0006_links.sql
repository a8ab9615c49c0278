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

-- The rotation of a source's copies behind its own: which copy comes in which wave (1: the canary), and how it stands. successor_id is the source's successor;
-- grace: how long behind its rotation a copy's predecessor is deactivated, in microseconds.
CREATE TABLE rotation_waves (
  successor_id TEXT NOT NULL,
  copy_id TEXT NOT NULL REFERENCES keys (id),
  account_id TEXT NOT NULL REFERENCES accounts (id),
  wave BIGINT NOT NULL,
  state TEXT NOT NULL,
  operation_id TEXT,
  grace BIGINT,
  asked_by TEXT NOT NULL,
  asked_by_name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (successor_id, copy_id)
);
CREATE INDEX rotation_waves_open ON rotation_waves (successor_id) WHERE state IN ('PENDING', 'BEGUN');
