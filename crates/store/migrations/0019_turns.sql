-- Whether somebody wants what is done so far to be taken back: a kill needs the key that the operation has in hand.
ALTER TABLE operations ADD COLUMN turn_asked BIGINT NOT NULL DEFAULT 0;

-- What ran at some time is found by when it ended: it may have waited for hours.
CREATE INDEX operations_by_end ON operations (account_id, finished_at);
