-- Whose material a key has (custody own, linked, native), whether it may leave the vault, and its part in a family of Regions (single, primary, replica).
ALTER TABLE keys ADD COLUMN custody TEXT NOT NULL DEFAULT 'own';
ALTER TABLE keys ADD COLUMN is_exportable BIGINT NOT NULL DEFAULT 1;
ALTER TABLE keys ADD COLUMN source_key_id TEXT;
ALTER TABLE keys ADD COLUMN region_role TEXT NOT NULL DEFAULT 'single';
ALTER TABLE keys ADD COLUMN primary_key_id TEXT;
CREATE INDEX keys_by_source ON keys (source_key_id) WHERE source_key_id IS NOT NULL;
CREATE INDEX keys_by_primary ON keys (primary_key_id) WHERE primary_key_id IS NOT NULL;

-- A version whose material is another key's version's (source_version_id) has none of its own. material_id and expires_at are those of the cloud's copy of this
-- version; is_pending 1: it is made, and not rotated in yet.
ALTER TABLE key_versions ADD COLUMN source_version_id TEXT;
ALTER TABLE key_versions ADD COLUMN material_id TEXT;
ALTER TABLE key_versions ADD COLUMN expires_at BIGINT;
ALTER TABLE key_versions ADD COLUMN is_pending BIGINT NOT NULL DEFAULT 0;
CREATE INDEX key_versions_by_source ON key_versions (source_version_id) WHERE source_version_id IS NOT NULL;
-- Until now a key had one version.
UPDATE key_versions SET material_id = (SELECT k.material_id FROM keys k WHERE k.id = key_versions.key_id),
  expires_at = (SELECT k.expires_at FROM keys k WHERE k.id = key_versions.key_id);
