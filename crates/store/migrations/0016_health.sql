-- What the last check of a keystore found.
CREATE TABLE keystore_checks (
  keystore_id TEXT NOT NULL PRIMARY KEY REFERENCES keystores (id),
  checked_at BIGINT NOT NULL,
  -- permitted, missing, denied, credentials, unreachable; and since when checks have come to that.
  outcome TEXT NOT NULL,
  since BIGINT NOT NULL,
  -- The permissions that are missing, by the cloud's names, with blanks between.
  missing TEXT NOT NULL,
  -- Why it came to that, as a sentence; else empty.
  why TEXT NOT NULL,
  -- How many checks in a row did not find everything permitted.
  failures BIGINT NOT NULL,
  -- 1: somebody was told that it is not well, and of nothing better since.
  is_told BIGINT NOT NULL,
  -- Whose quotas its calls use.
  quota_scope TEXT NOT NULL
);

-- 1: a key that was made anew waits without material until its policy is what it was, or somebody takes the new one for wanted.
ALTER TABLE keys ADD COLUMN awaits_policy BIGINT NOT NULL DEFAULT 0;

-- How much of a quota is used: for how many microseconds calls were reserved in this minute (counted from 1970), and in the one before.
ALTER TABLE quota_slots ADD COLUMN minute BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quota_slots ADD COLUMN spent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quota_slots ADD COLUMN spent_before BIGINT NOT NULL DEFAULT 0;
