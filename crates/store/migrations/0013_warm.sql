-- Keystores of which import parameters are fetched ahead. No row: none.
CREATE TABLE warm_keystores (
  keystore_id TEXT NOT NULL PRIMARY KEY REFERENCES keystores (id),
  since BIGINT NOT NULL
);

-- Import parameters of a key that were fetched ahead, sealed by the vault.
CREATE TABLE warm_parameters (
  key_id TEXT NOT NULL PRIMARY KEY REFERENCES keys (id),
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  sealed {BYTES} NOT NULL,
  valid_to BIGINT NOT NULL,
  fetched_at BIGINT NOT NULL
);
CREATE INDEX warm_parameters_by_end ON warm_parameters (keystore_id, valid_to);

-- How far the look of a restore has come: the id of the last key that was looked at.
CREATE TABLE restores (
  operation_id TEXT NOT NULL PRIMARY KEY REFERENCES operations (id),
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  after_key TEXT NOT NULL,
  looked BIGINT NOT NULL,
  hidden BIGINT NOT NULL
);

-- A key of which a restore found the material gone, or the key itself. state: LOST, BEGUN (upload_id tells how that stands), REFUSED (problem tells why), GONE.
CREATE TABLE restore_keys (
  operation_id TEXT NOT NULL REFERENCES restores (operation_id),
  key_id TEXT NOT NULL REFERENCES keys (id),
  importance BIGINT NOT NULL,
  state TEXT NOT NULL,
  upload_id TEXT,
  problem TEXT,
  PRIMARY KEY (operation_id, key_id)
);
CREATE INDEX restore_keys_in_order ON restore_keys (operation_id, state, importance, key_id);
