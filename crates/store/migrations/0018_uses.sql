-- Who used a key of a cloud, or tried to, as a queue told it: hearsay, one row for who did what and what came of it. refusal: the cloud's word, empty when it was not refused.
-- session, origin: of the newest. heard: how often, as far as the queue told it. last_event: so that one that is told twice in a row counts once.
CREATE TABLE key_uses (
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  cloud_key_id TEXT NOT NULL,
  who TEXT NOT NULL,
  operation TEXT NOT NULL,
  refusal TEXT NOT NULL,
  session TEXT NOT NULL,
  origin TEXT NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  heard BIGINT NOT NULL,
  last_event TEXT NOT NULL,
  PRIMARY KEY (keystore_id, cloud_key_id, who, operation, refusal)
);
CREATE INDEX key_uses_by_age ON key_uses (last_at);

-- What was done in Keystead's own name and no operation explains is asked for by itself.
CREATE INDEX cloud_events_unexplained ON cloud_events (keystore_id, happened_at) WHERE is_own = 1 AND is_explained = 0;
