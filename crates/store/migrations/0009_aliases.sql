-- A lineage has any number of aliases, in the order in which they were given. An alias is free again when its lineage ends.
CREATE TABLE aliases (
  keystore_id TEXT NOT NULL REFERENCES keystores (id),
  alias TEXT NOT NULL,
  lineage_id TEXT NOT NULL REFERENCES lineages (id),
  position BIGINT NOT NULL,
  PRIMARY KEY (keystore_id, alias)
);
CREATE INDEX aliases_by_lineage ON aliases (lineage_id, position);
INSERT INTO aliases (keystore_id, alias, lineage_id, position) SELECT keystore_id, alias, id, 0 FROM lineages WHERE alias IS NOT NULL AND live = 1;
DROP INDEX lineages_alias;
ALTER TABLE lineages DROP COLUMN alias;
