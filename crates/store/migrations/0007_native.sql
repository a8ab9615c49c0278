-- What the cloud shows of a key beside its row, as a sync saw it last: of virtual keys, and of Keystead's own.
CREATE TABLE cloud_views (
  key_id TEXT NOT NULL PRIMARY KEY REFERENCES keys (id),
  -- The sync that saw it last, and when.
  seen_by TEXT,
  seen_at BIGINT NOT NULL,
  -- JSON: the aliases beside the lineage's own, and everything else.
  aliases TEXT NOT NULL,
  facts TEXT NOT NULL,
  -- In what the cloud's key differs from the row of a key of Keystead's own, in words; empty: in nothing.
  differences TEXT NOT NULL
);

-- How far a sync is, and what it came to. The marker is that of the step's next page; what lies behind a page is counted with it, in one transaction.
CREATE TABLE syncs (
  operation_id TEXT NOT NULL PRIMARY KEY REFERENCES operations (id),
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  step TEXT NOT NULL,
  marker TEXT,
  fresh BIGINT NOT NULL DEFAULT 0,
  changed BIGINT NOT NULL DEFAULT 0,
  unchanged BIGINT NOT NULL DEFAULT 0,
  own BIGINT NOT NULL DEFAULT 0,
  different BIGINT NOT NULL DEFAULT 0,
  vanished BIGINT NOT NULL DEFAULT 0,
  -- Those without a row; counted anew when the list is begun anew.
  elsewhere BIGINT NOT NULL DEFAULT 0,
  unknown BIGINT NOT NULL DEFAULT 0,
  left_out BIGINT NOT NULL DEFAULT 0,
  -- JSON: the first of the unknown ones.
  strangers TEXT NOT NULL DEFAULT '[]'
);

-- The aliases of a place while it is being synced: they are listed once for all keys.
CREATE TABLE sync_aliases (
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  cloud_key_id TEXT NOT NULL,
  alias TEXT NOT NULL,
  PRIMARY KEY (keystore_id, cloud_key_id, alias)
);

-- When the pointer to a key that its cloud has deleted was taken out of the lists. The record stays, as its entries in the audit log do.
ALTER TABLE keys ADD COLUMN forgotten_at BIGINT;
