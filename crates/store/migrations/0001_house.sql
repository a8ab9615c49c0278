-- The first schema. Types that both engines have: TEXT, BIGINT (times in microseconds since 1970 UTC, truths 0 or 1), {BYTES}.

CREATE TABLE accounts (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

-- One row: how the root key is protected (opaque here), and which root it is. Whoever seals something demands that this is still the root it sealed under.
CREATE TABLE vault_root (
  id BIGINT NOT NULL PRIMARY KEY,
  generation BIGINT NOT NULL,
  record {BYTES} NOT NULL,
  updated_at BIGINT NOT NULL
);

-- Each generation of an account's key stays under the root that it was made under.
CREATE TABLE account_keys (
  account_id TEXT NOT NULL REFERENCES accounts (id),
  generation BIGINT NOT NULL,
  root_generation BIGINT NOT NULL,
  sealed {BYTES} NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (account_id, generation)
);

CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  group_id TEXT,
  name TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT
);
CREATE UNIQUE INDEX users_name ON users (account_id, name);
CREATE UNIQUE INDEX users_token_hash ON users (token_hash);

CREATE TABLE keystores (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  group_id TEXT,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  cloud TEXT NOT NULL,
  region TEXT NOT NULL,
  cloud_account TEXT NOT NULL,
  role_arn TEXT,
  external_id TEXT,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  deleted_at BIGINT,
  swept_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX keystores_name ON keystores (account_id, name) WHERE state = 'ACTIVE';

-- The chain of renewals: keys that share a name and, in turn, an alias.
CREATE TABLE lineages (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  name TEXT NOT NULL,
  alias TEXT,
  current_key_id TEXT NOT NULL,
  live BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX lineages_name ON lineages (account_id, name) WHERE live = 1;
CREATE UNIQUE INDEX lineages_alias ON lineages (keystore_id, alias) WHERE live = 1;

CREATE TABLE keys (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  group_id TEXT,
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  lineage_id TEXT NOT NULL REFERENCES lineages (id),
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  spec TEXT NOT NULL,
  usage TEXT NOT NULL,
  origin TEXT NOT NULL,
  description TEXT NOT NULL,
  tags TEXT NOT NULL,
  expires_at BIGINT,
  expiry_span BIGINT,
  expiry_policy TEXT NOT NULL,
  -- When the policy acts or warns: a week before the end, or a quarter of the span when that is shorter. Microseconds.
  acts_at BIGINT GENERATED ALWAYS AS
    (CASE WHEN expiry_span / 4 < 604800000000 THEN expires_at - expiry_span / 4 WHEN expiry_span IS NOT NULL THEN expires_at - 604800000000 END) STORED,
  predecessor_id TEXT,
  successor_id TEXT,
  cloud_key_id TEXT,
  cloud_arn TEXT,
  cloud_state TEXT,
  enabled BIGINT NOT NULL,
  material_present BIGINT NOT NULL,
  material_id TEXT,
  deletion_at BIGINT,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE INDEX keys_list ON keys (account_id, id);
CREATE INDEX keys_by_name ON keys (account_id, name, id);
CREATE INDEX keys_by_keystore ON keys (keystore_id, id);
CREATE INDEX keys_by_lineage ON keys (lineage_id);
CREATE INDEX keys_by_cloud_key ON keys (cloud_key_id);
CREATE UNIQUE INDEX keys_cloud_key_id ON keys (keystore_id, cloud_key_id);
CREATE INDEX keys_due_deletion ON keys (keystore_id, deletion_at, id) WHERE state = 'PENDING_DELETION';
CREATE INDEX keys_due_expiry ON keys (keystore_id, acts_at, id) WHERE expiry_policy <> 'alert';
CREATE INDEX keys_due_look ON keys (keystore_id, expires_at, id) WHERE material_present = 1;
CREATE INDEX keys_due_alert ON keys (acts_at, id) WHERE expiry_policy = 'alert';

-- The generations of a key's material, sealed by the vault.
CREATE TABLE key_versions (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  key_id TEXT NOT NULL REFERENCES keys (id),
  number BIGINT NOT NULL,
  spec TEXT NOT NULL,
  generation BIGINT NOT NULL,
  account_key_generation BIGINT NOT NULL,
  sealed {BYTES},
  fingerprint TEXT NOT NULL,
  public_key {BYTES},
  birth TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  destroyed_at BIGINT
);
CREATE UNIQUE INDEX key_versions_number ON key_versions (key_id, number);

-- A person's public key for an export, and who named it: one at a time, for one download by another person. The vault's seal binds them together.
CREATE TABLE exports (
  key_id TEXT NOT NULL PRIMARY KEY REFERENCES keys (id),
  account_id TEXT NOT NULL REFERENCES accounts (id),
  public_key TEXT NOT NULL,
  prepared_by TEXT NOT NULL,
  prepared_at BIGINT NOT NULL,
  seal {BYTES} NOT NULL
);

CREATE TABLE operations (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL,
  keystore_id TEXT NOT NULL,
  key_id TEXT,
  state TEXT NOT NULL,
  step BIGINT NOT NULL,
  direction TEXT NOT NULL,
  params TEXT NOT NULL,
  problem TEXT,
  attempts BIGINT NOT NULL,
  run_at BIGINT NOT NULL,
  lease_owner TEXT,
  lease_until BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  -- 1: woken since its lease was taken or progress was last noted.
  woken BIGINT NOT NULL DEFAULT 0,
  idempotency_key TEXT,
  request_hash TEXT,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  finished_at BIGINT
);
CREATE INDEX operations_list ON operations (account_id, id);
CREATE INDEX operations_by_keystore ON operations (keystore_id);
CREATE INDEX operations_by_key ON operations (key_id, id);
CREATE INDEX operations_due ON operations (run_at) WHERE state = 'RUNNING';
CREATE INDEX operations_by_kind ON operations (kind, state);
CREATE INDEX operations_by_themselves ON operations (keystore_id) WHERE state = 'RUNNING' AND created_by = 'system';
CREATE INDEX operations_by_owner ON operations (lease_owner) WHERE state = 'RUNNING';
CREATE UNIQUE INDEX operations_idempotency_key ON operations (account_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- What was done without an operation under an idempotency key, so that it is not done twice. Answers are not kept: they may have held a secret.
CREATE TABLE requests (
  account_id TEXT NOT NULL REFERENCES accounts (id),
  idempotency_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (account_id, idempotency_key)
);

-- What the schedule began on a key by itself and did not succeed with yet: how often in a row, and until when it leaves the key alone.
CREATE TABLE attempts (
  key_id TEXT NOT NULL REFERENCES keys (id),
  task TEXT NOT NULL,
  failures BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  operation_id TEXT,
  pause BIGINT NOT NULL,
  PRIMARY KEY (key_id, task)
);
CREATE INDEX attempts_by_operation ON attempts (operation_id) WHERE operation_id IS NOT NULL;

-- One operation at a time changes a key (or a keystore as a whole).
CREATE TABLE locks (
  subject_id TEXT NOT NULL PRIMARY KEY,
  operation_id TEXT NOT NULL REFERENCES operations (id)
);
CREATE INDEX locks_by_operation ON locks (operation_id);

CREATE TABLE journal (
  operation_id TEXT NOT NULL REFERENCES operations (id),
  seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  step BIGINT NOT NULL,
  name TEXT NOT NULL,
  phase TEXT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (operation_id, seq)
);

-- When the next call of a kind may go out to a cloud account and Region, shared by all nodes.
CREATE TABLE quota_slots (
  scope TEXT NOT NULL,
  call TEXT NOT NULL,
  next_at BIGINT NOT NULL,
  PRIMARY KEY (scope, call)
);

-- Which node does a periodic task next, and when.
CREATE TABLE schedules (
  name TEXT NOT NULL PRIMARY KEY,
  due_at BIGINT NOT NULL
);

CREATE TABLE audit_entries (
  idx BIGINT NOT NULL PRIMARY KEY,
  at BIGINT NOT NULL,
  account_id TEXT NOT NULL,
  subject_id TEXT,
  body TEXT NOT NULL
);
CREATE INDEX audit_entries_by_subject ON audit_entries (subject_id, idx);

CREATE TABLE audit_tiles (
  level BIGINT NOT NULL,
  n BIGINT NOT NULL,
  hashes {BYTES} NOT NULL,
  PRIMARY KEY (level, n)
);

CREATE TABLE audit_head (
  id BIGINT NOT NULL PRIMARY KEY,
  size BIGINT NOT NULL,
  root TEXT NOT NULL
);
INSERT INTO audit_head (id, size, root) VALUES (1, 0, '');

CREATE TABLE audit_checkpoints (
  size BIGINT NOT NULL PRIMARY KEY,
  note TEXT NOT NULL,
  at BIGINT NOT NULL
);

-- The key that signs checkpoints: its public half in the open, its seed sealed by the vault.
CREATE TABLE audit_signer (
  id BIGINT NOT NULL PRIMARY KEY,
  origin TEXT NOT NULL,
  vkey TEXT NOT NULL,
  sealed {BYTES} NOT NULL
);
