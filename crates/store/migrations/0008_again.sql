-- A replica that is gone may be made again in the same Region, and all keys of a family share one id: only of keys that live is it the only one.
DROP INDEX keys_cloud_key_id;
CREATE UNIQUE INDEX keys_cloud_key_id ON keys (keystore_id, cloud_key_id) WHERE state <> 'DELETED';
