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
-- Two who listen to one queue would take each other's messages.
CREATE UNIQUE INDEX event_queues_by_queue ON event_queues (queue);

-- What was done to a cloud key, as a queue told it: hearsay, kept to say who made a difference. is_own: in a session of Keystead's own. is_explained: and by an operation of it.
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
  is_explained BIGINT NOT NULL,
  heard_at BIGINT NOT NULL,
  PRIMARY KEY (keystore_id, cloud_key_id, event_id)
);
CREATE INDEX cloud_events_by_time ON cloud_events (keystore_id, cloud_key_id, happened_at);
CREATE INDEX cloud_events_by_age ON cloud_events (heard_at);

-- A cloud key that shall be looked at, because something was done to it. asks: a number that grows with each time that somebody says so, and comes never again, so that who has
-- looked knows whether it was for the last. not_before: also the lease of who looks.
CREATE TABLE wakes (
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  cloud_key_id TEXT NOT NULL,
  asks BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  PRIMARY KEY (keystore_id, cloud_key_id)
);
CREATE INDEX wakes_due ON wakes (not_before);

-- The last look that did not show the difference: what made it came behind that.
ALTER TABLE drifts ADD COLUMN unseen_at BIGINT NOT NULL DEFAULT 0;
