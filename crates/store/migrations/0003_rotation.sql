-- Rotation: policies of keys (by lineage), keystores and the installation (by account), and what is planned.

CREATE TABLE rotation_policies (
  subject_id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  scope TEXT NOT NULL,
  is_off BIGINT NOT NULL,
  every BIGINT,
  cron TEXT,
  zone TEXT,
  start_at BIGINT,
  maintenance TEXT,
  notice BIGINT,
  grace BIGINT,
  set_at BIGINT NOT NULL,
  set_by TEXT NOT NULL
);
CREATE INDEX rotation_policies_list ON rotation_policies (account_id, subject_id);

-- rotation_at: not before then; NULL: not planned. notice_at: when that is told, once (noticed_for). is_planned 0: something changed on which the plan hangs.
ALTER TABLE lineages ADD COLUMN rotation_at BIGINT;
ALTER TABLE lineages ADD COLUMN rotated_at BIGINT;
ALTER TABLE lineages ADD COLUMN notice_at BIGINT;
ALTER TABLE lineages ADD COLUMN noticed_for BIGINT;
ALTER TABLE lineages ADD COLUMN is_planned BIGINT NOT NULL DEFAULT 0;
CREATE INDEX lineages_current ON lineages (current_key_id);
CREATE INDEX lineages_unplanned ON lineages (id) WHERE is_planned = 0;
CREATE INDEX lineages_due_rotation ON lineages (keystore_id, rotation_at, id) WHERE rotation_at IS NOT NULL;
CREATE INDEX lineages_due_notice ON lineages (notice_at, id) WHERE notice_at IS NOT NULL;

-- When a replaced key is deactivated, unless somebody reverts the rotation before.
ALTER TABLE keys ADD COLUMN retire_at BIGINT;
CREATE INDEX keys_due_retirement ON keys (keystore_id, retire_at, id) WHERE retire_at IS NOT NULL;
