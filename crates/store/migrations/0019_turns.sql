-- Whether somebody wants what is done so far to be taken back: a kill needs the key that the operation has in hand.
ALTER TABLE operations ADD COLUMN turn_asked BIGINT NOT NULL DEFAULT 0;
