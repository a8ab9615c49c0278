-- An action on many keys. action, selector: JSON, as they were asked for. Which keys is fixed when it begins: batch_items.
CREATE TABLE batches (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  action TEXT NOT NULL,
  selector TEXT NOT NULL,
  state TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_by_name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  finished_at BIGINT
);
CREATE INDEX batches_by_account ON batches (account_id, id);
CREATE INDEX batches_open ON batches (id) WHERE finished_at IS NULL;

-- A key of a batch. operation_id is written with the operation's intent. not_before: a key that could not be begun rests until then. problem: JSON, why it waits, was skipped or failed.
CREATE TABLE batch_items (
  batch_id TEXT NOT NULL REFERENCES batches (id),
  position BIGINT NOT NULL,
  key_id TEXT NOT NULL REFERENCES keys (id),
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  state TEXT NOT NULL,
  operation_id TEXT,
  problem TEXT,
  not_before BIGINT NOT NULL,
  PRIMARY KEY (batch_id, position)
);
CREATE INDEX batch_items_by_state ON batch_items (batch_id, state, position);
CREATE INDEX batch_items_running ON batch_items (keystore_id) WHERE state = 'RUNNING';
