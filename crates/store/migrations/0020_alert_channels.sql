-- Which channels of the configuration hear of a keystore: a list of names, JSON. Null: every one.
ALTER TABLE keystores ADD COLUMN alert_channels TEXT;
