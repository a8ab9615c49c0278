-- The queue that tells what is done to the keys of a keystore, by the cloud's name of it. problem: why it could not be heard last, and since when.
CREATE TABLE event_queues (
  keystore_id TEXT NOT NULL PRIMARY KEY REFERENCES keystores (id),
  queue TEXT NOT NULL,
  set_at BIGINT NOT NULL,
  set_by TEXT NOT NULL,
  heard_at BIGINT,
  problem TEXT,
  failing_since BIGINT
);

-- What was done to a cloud key, as a queue told it: hearsay, kept to say who made a difference. is_own: in a session of Keystead's own.
CREATE TABLE cloud_events (
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  cloud_key_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  name TEXT NOT NULL,
  alias TEXT NOT NULL,
  happened_at BIGINT NOT NULL,
  who TEXT NOT NULL,
  origin TEXT NOT NULL,
  request TEXT NOT NULL,
  is_own BIGINT NOT NULL,
  heard_at BIGINT NOT NULL,
  PRIMARY KEY (keystore_id, cloud_key_id, event_id)
);
CREATE INDEX cloud_events_by_time ON cloud_events (keystore_id, cloud_key_id, happened_at);
CREATE INDEX cloud_events_by_age ON cloud_events (heard_at);

-- A cloud key that shall be looked at, because something was done to it. asks: how often somebody said so, so that who has looked knows whether it was for the last.
CREATE TABLE wakes (
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  cloud_key_id TEXT NOT NULL,
  asks BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  PRIMARY KEY (keystore_id, cloud_key_id)
);
CREATE INDEX wakes_due ON wakes (not_before);
