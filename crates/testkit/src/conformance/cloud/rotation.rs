//! Checks of several materials in one key, and of rotation in place.

use keystead_cloud::{Import, Kind, MaterialPart, MaterialSeen, Which};

use super::{Known, Subject, kind};

/// A second material waits beside the first, is rotated in under the same name, and each is removed and brought back by its id (cloud-byok.md, section 2.5).
pub async fn a_pending_material_is_rotated_in(subject: &Subject<'_>) {
    if subject.is_known(Known::ListsNoMaterials) {
        let key = subject.full_key(&[21; 32]).await;
        assert!(kind(subject.cloud.materials(&key.id).await).is_some(), "mended: strike ListsNoMaterials");
        return;
    }
    let key = subject.full_key(&[21; 32]).await;
    let first = subject.seen(&key.id).await.material_id.expect("a symmetric key's material has an id");
    assert_eq!(kind(subject.cloud.rotate(&key.id).await), Some(Kind::WrongState), "nothing waits");
    let second = bring(subject, &key.id, &[22; 32], Which::New("version_2".to_owned())).await.expect("a second waits");
    assert_ne!(second, first);
    assert_eq!(kind(bring(subject, &key.id, &[23; 32], Which::New("version_3".to_owned())).await), Some(Kind::WrongState), "one waits at a time");
    assert_eq!(parts(subject, &key.id).await, [(first.clone(), MaterialPart::Current), (second.clone(), MaterialPart::Pending)]);
    let waits = materials(subject, &key.id).await.pop().expect("the second");
    assert_eq!((waits.label.as_deref(), waits.is_imported), (Some("version_2"), true));

    subject.cloud.rotate(&key.id).await.expect("rotates");
    let seen = subject.seen(&key.id).await;
    assert_eq!((seen.enabled, seen.material_id.as_ref()), (true, Some(&second)));
    assert_eq!(parts(subject, &key.id).await, [(first.clone(), MaterialPart::Previous), (second.clone(), MaterialPart::Current)]);
    subject.cloud.delete_material(&key.id, Some(&first)).await.expect("is removed");
    assert_eq!(subject.seen(&key.id).await.material_present, Some(false), "while one is missing, the key cannot be used");
    assert_eq!(kind(bring(subject, &key.id, &[22; 32], Which::Existing(Some(first.clone()))).await), Some(Kind::WrongMaterial), "another's id");
    assert_eq!(bring(subject, &key.id, &[21; 32], Which::Existing(Some(first.clone()))).await.expect("comes back"), first);
    assert!(subject.seen(&key.id).await.enabled);
}

/// A material that waits and is removed is forgotten, and another may wait.
pub async fn a_pending_material_is_taken_back(subject: &Subject<'_>) {
    if subject.is_known(Known::ListsNoMaterials) {
        return;
    }
    let key = subject.full_key(&[24; 32]).await;
    let waits = bring(subject, &key.id, &[25; 32], Which::New("version_2".to_owned())).await.expect("waits");
    subject.cloud.delete_material(&key.id, Some(&waits)).await.expect("is taken back");
    assert_eq!(materials(subject, &key.id).await.len(), 1);
    assert!(subject.seen(&key.id).await.enabled);
    bring(subject, &key.id, &[26; 32], Which::New("version_3".to_owned())).await.expect("another waits");
}

async fn materials(subject: &Subject<'_>, key: &keystead_cloud::CloudKeyId) -> Vec<MaterialSeen> {
    subject.cloud.materials(key).await.expect("are listed")
}

async fn parts(subject: &Subject<'_>, key: &keystead_cloud::CloudKeyId) -> Vec<(String, MaterialPart)> {
    materials(subject, key).await.into_iter().map(|seen| (seen.id, seen.part)).collect()
}

async fn bring(subject: &Subject<'_>, key: &keystead_cloud::CloudKeyId, material: &[u8], which: Which) -> Result<String, keystead_cloud::CloudError> {
    let import = Import { which, ..subject.wrapped(key, material, None).await? };
    Ok(subject.cloud.import(key, &import).await?.value.material_id.unwrap_or_default())
}
