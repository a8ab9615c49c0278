-- A key that comes in components, each entered by another person. key_order: what key it shall be (JSON). check_value goes when the ceremony ends.
CREATE TABLE ceremonies (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  name TEXT NOT NULL,
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  keystore_name TEXT NOT NULL,
  spec TEXT NOT NULL,
  components BIGINT NOT NULL,
  key_order TEXT NOT NULL,
  check_value TEXT,
  state TEXT NOT NULL,
  begun_by TEXT NOT NULL,
  begun_by_name TEXT NOT NULL,
  begun_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  operation_id TEXT,
  key_id TEXT,
  ended_at BIGINT
);
CREATE INDEX ceremonies_by_account ON ceremonies (account_id, id);
CREATE INDEX ceremonies_waiting ON ceremonies (expires_at) WHERE state = 'WAITING';

-- Who entered a component stays; the component itself, sealed, goes with the end of its ceremony. Nobody enters two.
CREATE TABLE ceremony_components (
  ceremony_id TEXT NOT NULL REFERENCES ceremonies (id),
  number BIGINT NOT NULL,
  entered_by TEXT NOT NULL,
  entered_by_name TEXT NOT NULL,
  entered_at BIGINT NOT NULL,
  sealed {BYTES},
  PRIMARY KEY (ceremony_id, number)
);
CREATE UNIQUE INDEX ceremony_components_person ON ceremony_components (ceremony_id, entered_by);
