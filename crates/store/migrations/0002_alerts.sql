-- What somebody shall be told. Written in the transaction of what it tells; `once` is what makes it one.
CREATE TABLE alerts (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  topic TEXT NOT NULL,
  once TEXT NOT NULL,
  facts TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX alerts_once ON alerts (once);
CREATE INDEX alerts_list ON alerts (account_id, id);
CREATE INDEX alerts_by_subject ON alerts (subject_id, topic, id);

-- One row for each alert and channel: PENDING, DELIVERED or GIVEN_UP. What was sent together has one batch.
CREATE TABLE deliveries (
  alert_id TEXT NOT NULL REFERENCES alerts (id),
  channel TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  batch TEXT,
  last_error TEXT,
  delivered_at BIGINT,
  PRIMARY KEY (alert_id, channel)
);
CREATE INDEX deliveries_pending ON deliveries (channel, next_at) WHERE state = 'PENDING';
CREATE INDEX deliveries_by_batch ON deliveries (channel, batch) WHERE batch IS NOT NULL;
CREATE INDEX deliveries_given_up ON deliveries (alert_id) WHERE state = 'GIVEN_UP';

-- Who sends on a channel now, until when the channel rests behind a failure, and which batch it has in hand.
CREATE TABLE channels (
  name TEXT NOT NULL PRIMARY KEY,
  fence BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  batch TEXT,
  batch_at BIGINT NOT NULL
);

-- The alerts of every policy are found by the end of the material, not by the time at which a policy acts.
DROP INDEX keys_due_alert;
CREATE INDEX keys_by_end ON keys (expires_at, id) WHERE state IN ('ACTIVE', 'REPLACED');
