//! Several materials of one key: which there are, and the rotation that makes the pending one current (cloud-byok.md, section 2.5).

use aws_sdk_kms::types::{ImportState, IncludeKeyMaterial, KeyMaterialState, RotationsListEntry};
use keystead_cloud::{CloudError, CloudKeyId, MaterialPart, MaterialSeen, Reply};

use crate::{
    client::AwsCloud,
    error::unreadable,
    import::tag_may_lag,
    list::{next_marker, patiently},
    observe::timestamp,
    send::send,
};

const CALL: &str = "ListKeyRotations";

impl AwsCloud {
    /// RotateKeyOnDemand. It ends later; a second order meanwhile is refused as a conflict, which the caller waits out.
    pub(crate) async fn rotate_in(&self, key: &CloudKeyId) -> Result<Reply<()>, CloudError> {
        Ok(send!(self, "RotateKeyOnDemand", self.kms.rotate_key_on_demand().key_id(&key.0)).map_err(tag_may_lag)?.map(drop))
    }

    /// ListKeyRotations with every material, all pages.
    pub(crate) async fn all_materials(&self, key: &CloudKeyId) -> Result<Vec<MaterialSeen>, CloudError> {
        let mut materials = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let request = self.kms.list_key_rotations().key_id(&key.0).include_key_material(IncludeKeyMaterial::AllKeyMaterial);
            let page = patiently(|| async { send!(self, "ListKeyRotations", request.clone().set_marker(marker.clone())) }).await?.value;
            for entry in page.rotations.unwrap_or_default() {
                materials.push(material(entry)?);
            }
            marker = next_marker(CALL, page.truncated, page.next_marker)?;
            if marker.is_none() {
                return Ok(materials);
            }
        }
    }
}

fn material(entry: RotationsListEntry) -> Result<MaterialSeen, CloudError> {
    let part = match entry.key_material_state {
        Some(KeyMaterialState::Current) => MaterialPart::Current,
        Some(KeyMaterialState::NonCurrent) => MaterialPart::Previous,
        Some(KeyMaterialState::PendingRotation) => MaterialPart::Pending,
        Some(KeyMaterialState::PendingMultiRegionImportAndRotation) => MaterialPart::PendingElsewhere,
        _ => return Err(unreadable(CALL, "state of a material", None)),
    };
    Ok(MaterialSeen {
        id: entry.key_material_id.ok_or_else(|| unreadable(CALL, "id of a material", None))?,
        part,
        is_imported: entry.import_state != Some(ImportState::PendingImport),
        label: entry.key_material_description,
        expires: entry.valid_to.map(timestamp),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_material_is_read_with_its_part_and_an_unknown_part_is_no_guess() {
        let entry = |state| RotationsListEntry::builder().key_material_id("m").key_material_state(state).build();
        for (state, part) in [
            (KeyMaterialState::Current, MaterialPart::Current),
            (KeyMaterialState::NonCurrent, MaterialPart::Previous),
            (KeyMaterialState::PendingRotation, MaterialPart::Pending),
            (KeyMaterialState::PendingMultiRegionImportAndRotation, MaterialPart::PendingElsewhere),
        ] {
            assert_eq!(material(entry(state)).expect("is read").part, part);
        }
        assert!(material(entry(KeyMaterialState::from("RETIRED"))).is_err());
    }
}
