-- A plan of an estate that somebody said yes to, and that is done. digest: of the plan and of the state that it was made for. One at a time in an account.
CREATE TABLE estate_applies (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  digest TEXT NOT NULL,
  state TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_by_name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  finished_at BIGINT
);
CREATE INDEX estate_applies_by_account ON estate_applies (account_id, id);
CREATE UNIQUE INDEX estate_applies_open ON estate_applies (account_id) WHERE finished_at IS NULL;

-- A change of an apply. change: JSON, everything that it does. keystore: by name, because it may be made by the same apply; empty where there is none. call_interval: how long one such
-- change takes under the quotas, in microseconds. seen_revision: the key as the plan saw it, or as the last operation of the same apply left it. operation_id is written with the operation's intent. problem: JSON, why it waits, was skipped or failed.
CREATE TABLE estate_items (
  apply_id TEXT NOT NULL REFERENCES estate_applies (id),
  position BIGINT NOT NULL,
  path TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  name TEXT NOT NULL,
  keystore TEXT NOT NULL,
  key_id TEXT,
  seen_revision BIGINT,
  change TEXT NOT NULL,
  call_interval BIGINT NOT NULL,
  state TEXT NOT NULL,
  operation_id TEXT,
  problem TEXT,
  not_before BIGINT NOT NULL,
  PRIMARY KEY (apply_id, position)
);
CREATE INDEX estate_items_by_state ON estate_items (apply_id, state, position);
CREATE INDEX estate_items_by_key ON estate_items (key_id, state);

-- What a change waits for.
CREATE TABLE estate_waits (
  apply_id TEXT NOT NULL REFERENCES estate_applies (id),
  position BIGINT NOT NULL,
  waits_for BIGINT NOT NULL,
  PRIMARY KEY (apply_id, position, waits_for)
);
