-- Deletions that are rehearsed: the key is disabled until ends_at, and then comes back by itself. next_at: when a look has something to do.
-- enabling_at: when enabling was first begun. used_before, used_after: what the cloud knew of the key's use, JSON.
CREATE TABLE rehearsals (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  key_id TEXT NOT NULL REFERENCES keys (id),
  state TEXT NOT NULL,
  begun_by TEXT NOT NULL,
  begun_by_name TEXT NOT NULL,
  begun_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  used_before TEXT NOT NULL,
  used_after TEXT,
  enabling_at BIGINT,
  ended_at BIGINT
);
CREATE UNIQUE INDEX rehearsals_open ON rehearsals (key_id) WHERE ended_at IS NULL;
CREATE INDEX rehearsals_due ON rehearsals (next_at) WHERE ended_at IS NULL;
CREATE INDEX rehearsals_by_key ON rehearsals (key_id, id);

-- Keystores whose kill switch is drilled. every, within: spans in microseconds; within: how long a cloud may take to refuse a killed canary.
CREATE TABLE drill_policies (
  keystore_id TEXT NOT NULL PRIMARY KEY REFERENCES keystores (id),
  every BIGINT NOT NULL,
  within BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  set_at BIGINT NOT NULL,
  set_by TEXT NOT NULL
);
CREATE INDEX drill_policies_due ON drill_policies (next_at);

-- Drills, one a canary. key_id: none where no canary could be killed. operation_id: the one that stands behind the state, the kill or the newest restore.
CREATE TABLE drills (
  id TEXT NOT NULL PRIMARY KEY,
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  key_id TEXT REFERENCES keys (id),
  state TEXT NOT NULL,
  kill_id TEXT,
  operation_id TEXT,
  within BIGINT NOT NULL,
  begun_at BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  dark BIGINT,
  why TEXT,
  ended_at BIGINT
);
CREATE INDEX drills_open ON drills (next_at) WHERE ended_at IS NULL;
CREATE INDEX drills_by_keystore ON drills (keystore_id, id);

-- The keys that a drill has taken out of use, each as it stood then: one that has another revision since was changed by somebody, and is not brought back.
CREATE TABLE drill_victims (
  drill_id TEXT NOT NULL REFERENCES drills (id),
  key_id TEXT NOT NULL REFERENCES keys (id),
  revision BIGINT NOT NULL,
  PRIMARY KEY (drill_id, key_id)
);
CREATE INDEX drill_victims_by_key ON drill_victims (key_id);

-- The keys that may be drilled: those that had the tag when somebody who may manage keystores set the drill.
CREATE TABLE drill_canaries (
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  key_id TEXT NOT NULL REFERENCES keys (id),
  PRIMARY KEY (keystore_id, key_id)
);
