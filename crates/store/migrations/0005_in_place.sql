-- How a policy rotates: new-key or in-place.
ALTER TABLE rotation_policies ADD COLUMN strategy TEXT NOT NULL DEFAULT 'new-key';
